-- step: baselined
-- Spend set against a customer's baseline: in the order of months, and of the names of units within
-- one, only what comes above it counts.
WITH spend AS (
  SELECT m.plan, m.component, m.payee, m.unit, m.customer, m.month, m.column_no, m.amount,
         m.charges, p.period, coalesce(f.amount, 0) AS baseline,
         sum(m.amount) OVER (PARTITION BY m.plan, m.component, m.payee, m.customer, p.period
                             ORDER BY m.month, u.place, m.column_no) AS reached
  FROM performance_measures AS m
  JOIN unit_order AS u ON u.unit = m.unit
  JOIN components AS k ON k.plan = m.plan AND k.component = m.component
  JOIN terms AS t ON t.plan = m.plan
  JOIN periods AS p
    ON p.calendar = k.baseline_calendar AND p.first_month <= m.month AND m.month <= p.last_month
  LEFT JOIN figures AS f
    ON f.party = m.customer AND f.figure = k.baseline AND f.period = p.period
   AND f.currency = t.currency
  WHERE m.baselined = 1 AND m.excluded_by IS NULL)
SELECT plan, component, payee, unit, customer, month, column_no, period, baseline, amount, charges,
       greatest(reached - baseline, 0) - greatest(reached - amount - baseline, 0) AS counted
FROM spend

-- step: paid_parts
-- What was paid of an invoice by the end of a month, and by that of the last one with payments
-- before it; the next of them, and what the invoice is for in all.
SELECT f.party AS unit, p.first_month AS month, whole(abs(f.amount), {unit_of_figures}) AS paid,
       coalesce(lag(whole(abs(f.amount), {unit_of_figures})) OVER w, 0) AS paid_before,
       lead(p.first_month) OVER w AS next_month, whole(abs(t.amount), {unit_of_figures}) AS total
FROM figures AS f
JOIN figures AS t ON t.party = f.party AND t.figure = {total}
JOIN periods AS p ON p.calendar = '1@1' AND p.period = f.period
WHERE f.figure = {paid}
WINDOW w AS (PARTITION BY f.party ORDER BY p.first_month)

-- step: paid_measures
-- What is measured, as far as it is paid: what is paid by the end of a month less what was before,
-- each rounded as the plan rounds, so that the parts sum to the whole. What is paid before the
-- month of the bill counts with that.
WITH paid_of AS (
  SELECT m.*, y.counted_paid, q.total, q.paid,
         greatest(m.month, coalesce(q.month, 0)) AS paid_month,
         CASE WHEN q.month > m.month THEN q.paid_before ELSE 0 END AS paid_before, z.round_per,
         z.round_mode, z.round_step
  FROM performance_measures AS m
  JOIN components AS y ON y.plan = m.plan AND y.component = m.component
  JOIN terms AS z ON z.plan = m.plan
  LEFT JOIN paid_parts AS q
    ON y.counted_paid = 1 AND q.unit = m.unit AND (q.next_month IS NULL OR q.next_month > m.month)
  WHERE y.counted_paid = 0 OR q.unit IS NOT NULL)
SELECT plan, component, payee, unit, customer, paid_month AS month, column_no, excluded_by,
       baselined, weight_no, charges,
       CASE WHEN counted_paid = 0 THEN amount ELSE {paid_part} - {paid_part_before} END AS amount
FROM paid_of

-- step: qualifying_amounts
-- What counts, by payee, unit, customer and month: times its weight, with the month of its bill, of
-- a label or of a payment; what is excluded counts 0.
SELECT m.plan, m.component, m.payee, {unit} AS unit, m.customer, {month} AS month, m.column_no,
       m.charges, m.amount,
       CASE WHEN m.excluded_by IS NULL THEN {weighted} ELSE 0 END AS counted,
       m.excluded_by, {weighted_by} AS weighted_by, CAST(NULL AS INTEGER) AS baseline_period,
       0 AS baseline
FROM {measured} AS m{weights}{by_label}
WHERE NOT (m.baselined = 1 AND m.excluded_by IS NULL){labelled}
UNION ALL
SELECT plan, component, payee, unit, customer, month, column_no, charges, amount, counted,
       NULL, NULL, period, baseline
FROM baselined

-- step: qualifying_customers
-- Where customers are counted: how many reach what the component asks of each in a period.
WITH spent AS (
  SELECT k.plan, k.component, k.counts, k.counts_from, k.counts_months, k.less_refunded, c.payee,
         c.unit, c.customer, p.period, p.period_from, p.period_to, sum(c.counted) AS amount,
         min(n.day) AS since
  FROM qualifying_amounts AS c
  JOIN totals_of AS k
    ON k.counted_plan = c.plan AND k.counted_component = c.component AND k.counts <> 'amount'
  JOIN periods AS p
    ON p.calendar = k.calendar AND p.first_month <= c.month AND c.month <= p.last_month
  LEFT JOIN customer_since AS n ON n.customer = c.customer
  GROUP BY k.plan, k.component, k.counts, k.counts_from, k.counts_months, k.less_refunded, c.payee,
           c.unit, c.customer, p.period, p.period_from, p.period_to),
counting AS (
  SELECT plan, component, payee, unit, period, 1 AS one
  FROM spent
  WHERE counts_months = 0
    AND CASE WHEN counts_from IS NULL THEN amount > 0 ELSE amount >= counts_from END
    AND (counts = 'customers' OR (since >= period_from AND since < period_to)){more_customers})
SELECT plan, component, payee, unit, period, sum(one) * {one} AS customers
FROM counting
GROUP BY plan, component, payee, unit, period

-- step: payees_in_scope
-- Whose pay is looked at in which periods though nothing may be credited to it, by what the book
-- says of it; and since which day of the period.
SELECT k.plan, k.component, h.party AS payee,
       CASE k.each WHEN 'customer' THEN h.subject ELSE 0 END AS unit, p.calendar, p.period,
       p.period_from, p.period_to, p.first_month, p.last_month, k.counts, k.up_to,
       min(greatest(h.valid_from, p.period_from)) AS since
FROM totals_of AS k
JOIN periods AS p
  ON p.calendar = k.calendar AND p.last_month >= {scope_from} AND p.last_month < {paid_to}
JOIN links AS h
  ON h.role = k.role AND h.sound = 1 AND h.valid_from < p.period_to AND p.period_from < h.valid_to
 AND (k.each = 'payee' OR h.of_kind = 'customer')
WHERE k.scope = 'holders'
GROUP BY k.plan, k.component, h.party, CASE k.each WHEN 'customer' THEN h.subject ELSE 0 END,
         p.calendar, p.period, p.period_from, p.period_to, p.first_month, p.last_month, k.counts,
         k.up_to
UNION ALL
SELECT k.plan, k.component, l.party, 0, p.calendar, p.period, p.period_from, p.period_to,
       p.first_month, p.last_month, k.counts, k.up_to, p.period_from
FROM totals_of AS k
JOIN periods AS p
  ON p.calendar = k.calendar AND p.last_month >= {scope_from} AND p.last_month < {paid_to}
JOIN labels AS l
  ON l.label = k.scope_name AND (k.scope_value = 0 OR l.value = k.scope_value)
 AND l.valid_from <= p.period_from AND p.period_from < l.valid_to
WHERE k.scope = 'label'
  AND NOT EXISTS (SELECT 1 FROM parties AS q WHERE q.party = l.party AND ({other_kind}))
UNION ALL
SELECT k.plan, k.component, f.party, 0, p.calendar, p.period, p.period_from, p.period_to,
       p.first_month, p.last_month, k.counts, k.up_to, p.period_from
FROM totals_of AS k
JOIN periods AS p
  ON p.calendar = k.calendar AND p.last_month >= {scope_from} AND p.last_month < {paid_to}
JOIN figures AS f ON f.figure = k.scope_name AND f.period = p.period
WHERE k.scope = 'figure'
  AND NOT EXISTS (SELECT 1 FROM parties AS q WHERE q.party = f.party AND ({other_kind}))

-- step: measures
-- The measured amount of each component, payee, unit and period; and of the same to date, where
-- that is read. `scoped` where nothing is credited, and it stands for the payee's being in scope.
WITH credited_totals AS (
  SELECT k.plan, k.component, c.payee, c.unit, p.calendar, p.period, p.period_from, p.period_to,
         p.first_month, p.last_month, k.counts, k.up_to, sum(c.counted) AS amount, 0 AS scoped
  FROM qualifying_amounts AS c
  JOIN totals_of AS k ON k.counted_plan = c.plan AND k.counted_component = c.component
  JOIN periods AS p
    ON p.calendar = k.calendar AND p.first_month <= c.month AND c.month <= p.last_month
  GROUP BY k.plan, k.component, c.payee, c.unit, p.calendar, p.period, p.period_from, p.period_to,
           p.first_month, p.last_month, k.counts, k.up_to),
totals AS (
  SELECT * FROM credited_totals{totals_in_scope}),
bounded AS (
  SELECT s.plan, s.component, s.payee, s.unit, s.calendar, s.period, s.period_from, s.period_to,
         s.first_month, s.last_month, s.amount AS spend, s.scoped,
         least(CASE WHEN s.counts = 'amount' THEN s.amount{plus}
                    ELSE coalesce(n.customers, 0) END, s.up_to) AS amount
  FROM totals AS s
  LEFT JOIN qualifying_customers AS n
    ON n.plan = s.plan AND n.component = s.component AND n.payee = s.payee AND n.unit = s.unit
   AND n.period = s.period)
SELECT m.*, {to_date} AS to_date
FROM bounded AS m

-- step: column_measures
-- The same amounts by table column, up to the component's bound in the order of columns. What is
-- excluded meets a column only where nothing else is there.
WITH totals AS (
  SELECT k.plan, k.component, c.payee, c.unit, p.period, c.column_no, k.up_to,
         sum(c.counted) AS amount,
         count(CASE WHEN c.excluded_by IS NULL THEN 1 END) AS qualifying
  FROM qualifying_amounts AS c
  JOIN totals_of AS k ON k.counted_plan = c.plan AND k.counted_component = c.component
  JOIN periods AS p
    ON p.calendar = k.calendar AND p.first_month <= c.month AND c.month <= p.last_month
  GROUP BY k.plan, k.component, c.payee, c.unit, p.period, c.column_no, k.up_to),
met AS (
  SELECT s.*, max(qualifying) OVER (PARTITION BY plan, component, payee, unit,
                                                 period) AS most_qualifying
  FROM totals AS s),
reached AS (
  SELECT s.*, sum(amount) OVER (PARTITION BY plan, component, payee, unit, period
                                ORDER BY column_no) AS reached,
         count(*) OVER (PARTITION BY plan, component, payee, unit, period) AS columns
  FROM met AS s
  WHERE qualifying > 0 OR most_qualifying = 0)
SELECT s.plan, s.component, s.payee, s.unit, s.period, s.column_no, s.columns,
       least(s.reached{plus}, s.up_to) - least(s.reached - s.amount, s.up_to) AS amount
FROM reached AS s{columns_in_scope}

-- step: customers_last_year
-- What anybody was credited a year before for the customers that a payee has in a period.
SELECT h.plan, h.component, h.payee, h.unit, h.period, sum(c.counted) AS amount
FROM (SELECT DISTINCT k.plan, k.component, k.counted_plan, k.counted_component,
             c.payee, c.unit, c.customer, p.period, p.first_month, p.last_month
      FROM qualifying_amounts AS c
      JOIN totals_of AS k
        ON k.counted_plan = c.plan AND k.counted_component = c.component
       AND k.compare = 'last year of its customers'
      JOIN periods AS p
        ON p.calendar = k.calendar AND p.first_month <= c.month AND c.month <= p.last_month) AS h
JOIN qualifying_amounts AS c
  ON c.plan = h.counted_plan AND c.component = h.counted_component AND c.customer = h.customer
 AND c.month >= h.first_month - 12 AND c.month <= h.last_month - 12
GROUP BY h.plan, h.component, h.payee, h.unit, h.period

-- step: payee_matches
-- Which tests of payees hold for whom in which period.
{payee_matches}

-- step: windowed
-- What components measure over their windows: so many months up to the end of each period, or since
-- a longer period began.
SELECT k.plan, k.component, b.payee, b.unit, b.period, sum(o.amount) AS amount
FROM components AS k
JOIN like_of AS l ON l.plan = k.plan AND l.component = k.component
JOIN measures AS b
  ON b.plan = l.like_plan AND b.component = l.like_component AND b.last_month >= {earn_from}
LEFT JOIN periods AS p
  ON p.calendar = k.window_calendar AND p.first_month <= b.first_month
 AND b.last_month <= p.last_month
JOIN measures AS o
  ON o.plan = b.plan AND o.component = b.component AND o.payee = b.payee AND o.unit = b.unit
 AND o.last_month <= b.last_month
 AND o.first_month >= coalesce(p.first_month, b.last_month - k.window_months + 1)
WHERE k.window_all = 0 AND (k.window_months > 0 OR k.window_calendar <> '')
GROUP BY k.plan, k.component, b.payee, b.unit, b.period{windowed_by_all}

-- step: named_measures
-- What other components measure for payees whose band or threshold it picks, with their targets;
-- nothing measured is 0.
SELECT q.plan, q.component, q.other, b.payee, b.period, coalesce(max(o.amount), 0) AS amount,
       max(t.amount) AS target
FROM reads_others AS q
JOIN terms AS z ON z.plan = q.plan
JOIN like_of AS l ON l.plan = q.plan AND l.component = q.component
JOIN measures AS b ON b.plan = l.like_plan AND b.component = l.like_component
JOIN components AS k ON k.plan = q.plan AND k.component = q.other
JOIN like_of AS m ON m.plan = q.plan AND m.component = q.other
LEFT JOIN measures AS o
  ON o.plan = m.like_plan AND o.component = m.like_component AND o.payee = b.payee
 AND o.period = b.period
LEFT JOIN figures AS t
  ON t.party = b.payee AND t.figure = k.target AND t.period = b.period
 AND t.currency IN (z.currency, 0)
GROUP BY q.plan, q.component, q.other, b.payee, b.period

-- step: referenced
-- Each base beside what it is measured against: figures of the book, or the measure of an earlier
-- period. Plans that differ in their tables alone have one in common.
SELECT k.plan, k.component, l.like_plan, l.like_component, k.rank, k.role, b.payee, b.unit, k.each,
       k.per, b.period, b.period_from, b.period_to, b.first_month, b.last_month, z.currency,
       b.amount, b.to_date, k.pays_on, k.reads_by, k.times_by, k.times_table, k.portion,
       k.portion_per, k.cap, k.cap_rate, k.floor, k.minimum, k.table_id, z.round_step,
       z.round_per, z.round_mode,
       t.amount AS target,
       CASE k.compare WHEN 'last year' THEN coalesce(y.amount, k.absent_period)
                      WHEN 'previous period' THEN coalesce(v.amount, k.absent_period)
                      WHEN 'periods before' THEN coalesce(d.amount, k.absent_period)
                      WHEN 'last year of its customers' THEN coalesce(c.amount, k.absent_period)
                      WHEN 'figure' THEN coalesce(f.amount, k.absent_figure) END AS compared,
       coalesce(n.amount, k.absent_figure) AS figure,
       coalesce(w.amount, k.absent_figure) AS by_figure,
       coalesce(x.amount, k.absent_figure) AS times_figure, k.absent_figure, b.spend,
       i.amount AS windowed, r.amount AS by_other, r.target AS by_other_target,
       s.amount AS times_other, s.target AS times_other_target,
       coalesce(v.spend, 0) AS spend_before,
       CASE WHEN k.payee_test = 0 OR q.payee IS NOT NULL THEN 1 ELSE 0 END AS qualifies,
       {is_in_scope} AS in_scope
FROM measures AS b
JOIN like_of AS l
  ON l.like_plan = b.plan AND l.like_component = b.component AND l.tested_plan = l.plan
JOIN components AS k ON k.plan = l.plan AND k.component = l.component
JOIN terms AS z
  ON z.plan = k.plan AND z.valid_from <= b.period_from AND b.period_from < z.valid_to
LEFT JOIN figures AS t
  ON t.party = CASE k.target_of WHEN 'customer' THEN b.unit ELSE b.payee END
 AND t.figure = k.target AND t.period = b.period AND t.currency IN (z.currency, 0)
LEFT JOIN figures AS f
  ON f.party = CASE k.compare_of WHEN 'customer' THEN b.unit ELSE b.payee END
 AND f.figure = k.compare_name AND f.period = b.period AND f.currency IN (z.currency, 0)
LEFT JOIN figures AS n
  ON n.party = CASE k.on_of WHEN 'customer' THEN b.unit ELSE b.payee END
 AND n.figure = k.on_name AND n.period = b.period AND n.currency IN (z.currency, 0)
LEFT JOIN figures AS w
  ON w.party = CASE k.by_of WHEN 'customer' THEN b.unit ELSE b.payee END
 AND w.figure = k.by_name AND w.period = b.period AND w.currency IN (z.currency, 0)
LEFT JOIN figures AS x
  ON x.party = CASE k.times_of WHEN 'customer' THEN b.unit ELSE b.payee END
 AND x.figure = k.times_name AND x.period = b.period AND x.currency IN (z.currency, 0)
LEFT JOIN measures AS y
  ON y.plan = b.plan AND y.component = b.component AND y.payee = b.payee AND y.unit = b.unit
 AND y.first_month = b.first_month - 12
LEFT JOIN measures AS v
  ON v.plan = b.plan AND v.component = b.component AND v.payee = b.payee AND v.unit = b.unit
 AND v.period_to = b.period_from
LEFT JOIN measures AS d
  ON k.compare_lag > 0 AND d.plan = b.plan AND d.component = b.component AND d.payee = b.payee
 AND d.unit = b.unit AND d.first_month = b.first_month - k.compare_lag
LEFT JOIN windowed AS i
  ON i.plan = k.plan AND i.component = k.component AND i.payee = b.payee AND i.unit = b.unit
 AND i.period = b.period
LEFT JOIN named_measures AS r
  ON r.plan = k.plan AND r.component = k.component AND r.other = k.by_name
 AND r.payee = b.payee AND r.period = b.period
LEFT JOIN named_measures AS s
  ON s.plan = k.plan AND s.component = k.component AND s.other = k.times_name
 AND s.payee = b.payee AND s.period = b.period
LEFT JOIN customers_last_year AS c
  ON c.plan = b.plan AND c.component = b.component AND c.payee = b.payee AND c.unit = b.unit
 AND c.period = b.period
LEFT JOIN payee_matches AS q
  ON q.test = k.payee_test AND q.payee = b.payee AND q.period_from = b.period_from
WHERE b.last_month >= {earn_from} AND b.last_month < {paid_to}
  AND (b.scoped = 0 OR k.payee_test = 0 OR q.payee IS NOT NULL)

-- step: ranked
-- The places of payees by what they measure, or by that in parts of their target, among those of
-- one value of a label: as if each of equals were first of them, or last. Who does not qualify, or
-- measures nothing, has none. Attainments are put in order by the digits of a long division, in
-- base 10^17: of targets below 10^20 three digits tell unequal ones apart.
WITH ranking AS (
  SELECT r.plan, r.component, r.payee, r.period, r.amount, k.ties, coalesce(l.value, 0) AS value,
         CASE k.ranks_by WHEN 'attainment' THEN r.target ELSE 1 END AS divisor
  FROM referenced AS r
  JOIN components AS k ON k.plan = r.plan AND k.component = r.component AND k.ties <> ''
  LEFT JOIN labels AS l
    ON l.party = r.payee AND l.label = k.ranks_among
   AND l.valid_from <= r.period_from AND r.period_from < l.valid_to
  WHERE r.qualifies = 1 AND r.in_scope = 1 AND r.amount > 0
    AND (k.ranks_among = 0 OR l.value IS NOT NULL)
    AND (k.ranks_by = 'amount' OR r.target > 0)),
divided AS (
  SELECT r.*, whole(amount, divisor) AS reached, times(amount % divisor, {digit}) AS rest
  FROM ranking AS r),
one_digit AS (
  SELECT d.*, whole(rest, divisor) AS digit_1,
         times(minus(rest, times(whole(rest, divisor), divisor)), {digit}) AS rest_1
  FROM divided AS d),
two_digits AS (
  SELECT d.*, whole(rest_1, divisor) AS digit_2,
         times(minus(rest_1, times(whole(rest_1, divisor), divisor)), {digit}) AS rest_2
  FROM one_digit AS d)
SELECT plan, component, payee, period,
       CASE ties WHEN 'better place' THEN rank() OVER w ELSE count(*) OVER w END * {one} AS place
FROM (SELECT d.*, whole(rest_2, divisor) AS digit_3 FROM two_digits AS d) AS divided_out
WINDOW w AS (PARTITION BY plan, component, period, value
             ORDER BY reached DESC, digit_1 DESC, digit_2 DESC, digit_3 DESC)

-- step: gated
-- The first gate of a component that is shut; one whose number is missing is.
SELECT s.plan, s.component, s.payee, s.unit, s.period, min(s.gate_no) AS gate_no,
       min_by(s.words, s.gate_no) AS words
FROM (SELECT r.plan, r.component, r.payee, r.unit, r.period, g.gate_no, g.words,
             g.lower, g.lower_in, g.upper, g.upper_in,
             CASE g.subject WHEN 'amount' THEN r.amount
                            WHEN 'attainment' THEN r.amount
                            WHEN 'spend' THEN r.spend
                            WHEN 'spend before' THEN r.spend_before
                            WHEN 'amount to date' THEN r.to_date
                            WHEN 'amount over' THEN r.windowed
                            WHEN 'amount of' THEN o.amount
                            WHEN 'attainment of' THEN o.amount
                            WHEN 'rank' THEN n.place
                            WHEN 'figure' THEN coalesce(f.amount, r.absent_figure)
                            ELSE r.amount - r.compared END AS measure,
             CASE g.subject WHEN 'attainment' THEN r.target
                            WHEN 'growth' THEN r.compared
                            WHEN 'attainment of' THEN o.target
                            ELSE {one} END AS reference
      FROM referenced AS r
      JOIN gates AS g
        ON g.plan = r.plan AND g.component = r.component AND g.subject <> 'earned'
      LEFT JOIN figures AS f
        ON f.party = CASE g.whose WHEN 'customer' THEN r.unit ELSE r.payee END
       AND f.figure = g.name AND f.period = r.period AND f.currency IN (r.currency, 0)
      LEFT JOIN named_measures AS o
        ON o.plan = g.plan AND o.component = g.component AND o.other = g.name
       AND o.payee = r.payee AND o.period = r.period
      LEFT JOIN ranked AS n
        ON n.plan = r.plan AND n.component = r.component AND n.payee = r.payee
       AND n.period = r.period) AS s
WHERE NOT coalesce(
  s.reference > 0
  AND lies_within(s.measure, {bound}, s.reference, s.lower, s.lower_in, s.upper, s.upper_in),
  false)
GROUP BY s.plan, s.component, s.payee, s.unit, s.period

-- step: mixed_columns
-- Units that meet several columns of a table: only amounts can be told apart by them.
SELECT DISTINCT plan, component, payee, unit, period
FROM column_measures
WHERE columns > 1

-- step: tested
-- What a rate is applied to, what picks the band, and what the band's bounds are multiplied with;
-- or why nothing can be earned. `line_no` stands for its line in what follows.
SELECT r.*, row_number() OVER () AS line_no, r.amount - r.compared AS increment,
       CASE r.pays_on WHEN 'amount' THEN r.amount
                      WHEN 'increment' THEN r.amount - r.compared
                      ELSE r.figure END AS base,
       CASE r.reads_by WHEN 'amount' THEN r.amount
                       WHEN 'attainment' THEN r.amount
                       WHEN 'amount to date' THEN r.to_date
                       WHEN 'amount over' THEN r.windowed
                       WHEN 'amount of' THEN r.by_other
                       WHEN 'attainment of' THEN r.by_other
                       WHEN 'rank' THEN n.place
                       WHEN 'figure' THEN r.by_figure
                       ELSE r.amount - r.compared END AS measure,
       CASE r.reads_by WHEN 'attainment' THEN r.target
                       WHEN 'growth' THEN r.compared
                       WHEN 'attainment of' THEN r.by_other_target
                       ELSE {one} END AS reference,
       CASE r.times_by WHEN 'amount' THEN r.amount
                       WHEN 'attainment' THEN r.amount
                       WHEN 'amount to date' THEN r.to_date
                       WHEN 'amount over' THEN r.windowed
                       WHEN 'amount of' THEN r.times_other
                       WHEN 'attainment of' THEN r.times_other
                       WHEN 'rank' THEN n.place
                       WHEN 'figure' THEN r.times_figure
                       ELSE r.amount - r.compared END AS times_measure,
       CASE r.times_by WHEN 'attainment' THEN r.target
                       WHEN 'growth' THEN r.compared
                       WHEN 'attainment of' THEN r.times_other_target
                       ELSE {one} END AS times_reference,
       CASE WHEN r.in_scope = 0 THEN 'not-in-scope'
            WHEN r.qualifies = 0 THEN 'payee'
            WHEN r.each <> 'payee' AND r.unit = 0 THEN 'no-unit'
            WHEN 'attainment' IN (r.reads_by, r.times_by)
              AND (r.target IS NULL OR r.target <= 0) THEN 'no-target'
            WHEN (r.reads_by = 'attainment of' AND coalesce(r.by_other_target, 0) <= 0)
              OR (r.times_by = 'attainment of' AND coalesce(r.times_other_target, 0) <= 0)
            THEN 'no-target'
            WHEN 'growth' IN (r.reads_by, r.times_by)
              AND (r.compared IS NULL OR r.compared <= 0) THEN 'no-comparison'
            WHEN ('increment' IN (r.reads_by, r.times_by) OR r.pays_on = 'increment')
              AND r.compared IS NULL THEN 'no-comparison'
            WHEN (r.pays_on = 'figure' AND r.figure IS NULL)
              OR (r.reads_by = 'figure' AND r.by_figure IS NULL)
              OR (r.times_by = 'figure' AND r.times_figure IS NULL) THEN 'no-figure'
            WHEN 'rank' IN (r.reads_by, r.times_by) AND n.place IS NULL THEN 'no-place'
            WHEN g.gate_no IS NOT NULL THEN 'gate'
            WHEN x.unit IS NOT NULL THEN 'two-columns' END AS hindrance,
       g.words AS gate
FROM referenced AS r
LEFT JOIN ranked AS n
  ON n.plan = r.plan AND n.component = r.component AND n.payee = r.payee AND n.period = r.period
LEFT JOIN mixed_columns AS x
  ON x.plan = r.like_plan AND x.component = r.like_component AND x.payee = r.payee
 AND x.unit = r.unit AND x.period = r.period AND r.pays_on <> 'amount'
LEFT JOIN gated AS g
  ON g.plan = r.plan AND g.component = r.component AND g.payee = r.payee
 AND g.unit = r.unit AND g.period = r.period

-- step: tier_portions
-- What is paid by which column of the table: amounts by their own; anything else by the one column
-- that the unit has.
SELECT t.line_no, coalesce(c.column_no, 0) AS column_no,
       CASE WHEN c.columns > 1 THEN c.amount ELSE t.base END AS base
FROM tested AS t
LEFT JOIN column_measures AS c
  ON c.plan = t.like_plan AND c.component = t.like_component
 AND c.payee = t.payee AND c.unit = t.unit AND c.period = t.period
WHERE t.hindrance IS NULL

-- step: slices
-- The bands reached, with what each is applied to: the whole, or its own slice. Of a figure each
-- is applied to as much of it as the slice is of the reference: the slice times the rate is the
-- slope, the reference the divisor.
WITH reached AS (
  SELECT a.plan, t.line_no, t.component, t.payee, t.unit, t.period, t.measure, t.reference, p.base,
         n.valid_from AS table_from, n.column_no, n.kind, n.band_no, n.words, n.rate, n.rate_to,
         n.flat, n.lower, n.upper,
         CASE WHEN n.kind <> 'marginal' THEN 'whole'
              WHEN t.pays_on = 'figure' THEN 'in proportion' ELSE 'slice' END AS cut,
         CASE WHEN n.kind = 'marginal'
              THEN minus(lesser(times(t.measure, {bound}), times(n.upper, t.reference)),
                         coalesce(times(n.lower, t.reference), 0)) END AS slice
  FROM tested AS t
  JOIN tier_portions AS p ON p.line_no = t.line_no
  JOIN like_of AS a ON a.tested_plan = t.plan AND a.component = t.component
  JOIN bands AS n
    ON n.plan = a.plan AND n.table_id = t.table_id
   AND n.column_no = p.column_no AND n.valid_from <= t.period_from AND t.period_from < n.valid_to
  WHERE t.hindrance IS NULL
    AND lies_within(t.measure, {bound}, t.reference, n.lower, n.lower_in,
                    CASE WHEN n.kind <> 'marginal' THEN n.upper END, n.upper_in))
SELECT plan, line_no, component, payee, unit, period, table_from, column_no, kind, band_no, words,
       rate, flat, CASE WHEN cut = 'slice' THEN slice ELSE times(base, {part_lift}) END AS part,
       CASE WHEN cut = 'in proportion' THEN times(rate, slice)
            WHEN kind = 'interpolated' AND upper IS NOT NULL
            THEN plus(times(times(rate, upper - lower), reference),
                      times(rate_to - rate,
                            minus(times(measure, {bound}), times(lower, reference))))
            END AS slope,
       CASE WHEN cut = 'in proportion' THEN times(reference, {bound})
            WHEN kind = 'interpolated' AND upper IS NOT NULL
            THEN times(upper - lower, reference)
            ELSE {divisor_one} END AS divisor
FROM reached

-- step: tier_earnings
-- What each reached band pays, to be divided by its divisor.
SELECT s.*, coalesce(times(times(part, slope), {slope_lift}),
                     times(times(part, rate), {rate_lift}), times(flat, {flat_lift})) AS pays
FROM slices AS s

-- step: tier_totals
-- What the reached bands pay together.
SELECT plan, line_no, min(table_from) AS table_from, count(*) AS bands, summed(pays) AS amount,
       largest(divisor) AS divisor
FROM tier_earnings
GROUP BY plan, line_no

-- step: factors
-- The rate of the second table that the outcome is multiplied with.
SELECT a.plan, t.line_no, max(n.factor) AS factor, max(n.words) AS words
FROM tested AS t
JOIN like_of AS a ON a.tested_plan = t.plan AND a.component = t.component
JOIN bands AS n
  ON n.plan = a.plan AND n.table_id = t.times_table
 AND n.valid_from <= t.period_from AND t.period_from < n.valid_to
WHERE t.hindrance IS NULL
  AND lies_within(t.times_measure, {bound}, t.times_reference,
                  n.lower, n.lower_in, n.upper, n.upper_in)
GROUP BY a.plan, t.line_no

-- step: component_earnings
-- What is earned by itself: portion and multiplier, then cap, floor or minimum, then rounding,
-- once. What varies is worked out by itself, and joined with the rest of its line at last.
WITH factored AS (
  SELECT a.plan, t.line_no, t.hindrance, t.floor, t.minimum, t.round_step, t.round_per,
         t.round_mode, s.table_from,
         times(coalesce(s.divisor, {divisor_one}), t.portion_per) AS divisor,
         f.words AS times_words,
         CASE WHEN t.times_table <> 0 AND f.factor IS NULL THEN 0
              ELSE coalesce(times(times(s.amount, t.portion),
                                  coalesce(f.factor, {one_factor}) * {lift}), 0) END AS uncapped,
         CASE WHEN t.times_table <> 0 AND f.factor IS NULL THEN NULL ELSE s.bands END AS reached,
         coalesce(t.cap, CASE WHEN t.amount >= 0 THEN times(t.amount, t.cap_rate) END) AS ceiling
  FROM tested AS t
  JOIN like_of AS a ON a.tested_plan = t.plan AND a.component = t.component
  LEFT JOIN tier_totals AS s ON s.plan = a.plan AND s.line_no = t.line_no
  LEFT JOIN factors AS f ON f.plan = a.plan AND f.line_no = t.line_no),
bounded AS (
  SELECT f.*, times(times(ceiling, divisor), {ceiling_lift}) AS most,
         times(times(f.floor, divisor), {ceiling_lift}) AS bottommost,
         times(times(minimum, divisor), {ceiling_lift}) AS fewest
  FROM factored AS f),
with_reason AS (
  SELECT b.*,
         CASE WHEN hindrance IS NOT NULL THEN hindrance
              WHEN compared(uncapped, bottommost) < 0 THEN 'floor'
              WHEN reached IS NULL THEN 'no-band'
              WHEN compared(uncapped, 0) > 0 AND compared(lesser(uncapped, most), fewest) < 0
              THEN 'too-little'
              WHEN compared(uncapped, most) > 0 THEN 'capped'
              ELSE 'band' END AS reason
  FROM bounded AS b),
exact AS MATERIALIZED (
  SELECT plan, line_no, table_from, uncapped, divisor, ceiling, reason, times_words, round_mode,
         round_step,
         times(CASE reason WHEN 'floor' THEN bottommost WHEN 'too-little' THEN 0
                           ELSE lesser(uncapped, most) END, round_per) AS top,
         times(divisor, {unit_of_uncapped}) AS bottom
  FROM with_reason AS b),
outcomes AS (
  SELECT e.*, rounded(top, bottom, round_mode, round_step) AS earned
  FROM exact AS e)
SELECT o.plan, t.component, t.rank, t.role, t.payee, t.unit, t.per, t.period, t.period_from,
       t.period_to, t.first_month, t.last_month, t.currency, t.amount, t.target, t.compared, t.base,
       t.measure, t.reference, t.pays_on, t.reads_by, t.portion, t.table_id, o.table_from,
       o.uncapped, o.divisor, o.ceiling AS cap, o.reason, t.gate, o.times_words, o.earned
FROM outcomes AS o
JOIN tested AS t ON t.line_no = o.line_no

-- step: component_lines
-- The same for each payee and period, over all units.
SELECT plan, component, rank, role, payee, per, period, period_from, period_to, last_month,
       currency, sum(amount) AS amount, sum(earned) AS earned
FROM component_earnings
GROUP BY plan, component, rank, role, payee, per, period, period_from, period_to, last_month,
         currency

-- step: gate_entries
-- Taken off where a gate on another component's earnings is shut.
SELECT l.plan, l.component, l.payee, l.period, min_by(s.words, s.gate_no) AS detail,
       -l.earned AS earned
FROM component_lines AS l
JOIN (SELECT l.plan, l.component, l.payee, l.period, g.gate_no, g.words, g.lower, g.lower_in,
             g.upper, g.upper_in, coalesce(sum(o.earned), 0) * {money_lift} AS other
      FROM component_lines AS l
      JOIN gates AS g
        ON g.plan = l.plan AND g.component = l.component AND g.subject = 'earned'
      LEFT JOIN component_lines AS o
        ON o.plan = l.plan AND o.component = g.name AND o.payee = l.payee
       AND o.period_from >= l.period_from AND o.period_to <= l.period_to
      GROUP BY l.plan, l.component, l.payee, l.period, g.gate_no, g.words, g.lower, g.lower_in,
               g.upper, g.upper_in) AS s
  ON s.plan = l.plan AND s.component = l.component AND s.payee = l.payee
 AND s.period = l.period
WHERE NOT lies_within(s.other, 1, {bound_lift}, s.lower, s.lower_in, s.upper, s.upper_in)
GROUP BY l.plan, l.component, l.payee, l.period, l.earned

-- step: gated_lines
-- Lines after those gates.
SELECT l.plan, l.component, l.rank, l.role, l.payee, l.per, l.period, l.period_from, l.period_to,
       l.last_month, l.currency, l.amount, l.earned + coalesce(g.earned, 0) AS earned
FROM component_lines AS l
LEFT JOIN gate_entries AS g
  ON g.plan = l.plan AND g.component = l.component AND g.payee = l.payee AND g.period = l.period

-- step: less_entries
-- Taken off: what other components paid already, down to zero.
SELECT l.plan, l.component, l.payee, l.period,
       group_concat(DISTINCT CAST(s.other AS TEXT)) AS others,
       -least(l.earned, sum(o.earned)) AS earned
FROM gated_lines AS l
JOIN less AS s ON s.plan = l.plan AND s.component = l.component
JOIN gated_lines AS o
  ON o.plan = l.plan AND o.component = s.other AND o.payee = l.payee
 AND o.period_from >= l.period_from AND o.period_to <= l.period_to
WHERE l.earned > 0
GROUP BY l.plan, l.component, l.payee, l.period, l.earned
HAVING sum(o.earned) > 0

-- step: lessened_lines
-- Lines after that.
SELECT l.plan, l.component, l.rank, l.role, l.payee, l.per, l.period, l.period_from, l.period_to,
       l.last_month, l.currency, l.amount, l.earned + coalesce(s.earned, 0) AS earned
FROM gated_lines AS l
LEFT JOIN less_entries AS s
  ON s.plan = l.plan AND s.component = l.component AND s.payee = l.payee AND s.period = l.period

-- step: best_entries
-- Taken off: all but the largest of a group of which only that pays.
SELECT plan, component, payee, period, best AS detail, -earned AS earned
FROM (SELECT l.plan, l.component, l.payee, l.period, l.earned,
             first_value(l.component) OVER (PARTITION BY l.plan, k.group_id, l.payee, l.period
                                            ORDER BY l.earned DESC, l.rank) AS best
      FROM lessened_lines AS l
      JOIN components AS k ON k.plan = l.plan AND k.component = l.component
      JOIN groups_of AS g
        ON g.plan = l.plan AND g.group_id = k.group_id AND g.kind = 'max') AS ranked
WHERE best <> component AND earned <> 0

-- step: best_lines
-- Lines after that.
SELECT l.plan, l.component, l.rank, l.role, l.payee, l.per, l.period, l.period_from, l.period_to,
       l.last_month, l.currency, l.amount, l.earned + coalesce(b.earned, 0) AS earned
FROM lessened_lines AS l
LEFT JOIN best_entries AS b
  ON b.plan = l.plan AND b.component = l.component AND b.payee = l.payee AND b.period = l.period

-- step: ceiling_entries
-- A line of its own for what a group's ceiling takes off: the ceiling is used up in the order of
-- periods. The ceiling itself is cut to whole steps.
WITH totals AS (
  SELECT l.plan, g.group_id AS component, g.rank, min_by(l.role, r.place) AS role, l.payee, l.per,
         l.period, l.period_from, l.period_to, l.last_month, l.currency, p.period AS capped_period,
         g.cap, g.cap_rate, sum(l.earned) AS earned,
         coalesce(sum(CASE WHEN l.component = g.cap_of THEN l.amount END), 0) AS amount
  FROM best_lines AS l
  JOIN components AS k ON k.plan = l.plan AND k.component = l.component
  JOIN role_order AS r ON r.role = l.role
  JOIN groups_of AS g
    ON g.plan = l.plan AND g.group_id = k.group_id
   AND (g.cap IS NOT NULL OR g.cap_rate IS NOT NULL)
  JOIN periods AS p
    ON p.calendar = g.calendar AND p.period_from <= l.period_from AND l.period_to <= p.period_to
  GROUP BY l.plan, g.group_id, g.rank, l.payee, l.per, l.period, l.period_from, l.period_to,
           l.last_month, l.currency, p.period, g.cap, g.cap_rate),
reached AS (
  SELECT s.*, sum(s.earned) OVER w AS reached, sum(s.amount) OVER w AS reached_amount
  FROM totals AS s
  WINDOW w AS (PARTITION BY plan, component, payee, capped_period ORDER BY period_from)),
bounds AS (
  SELECT r.*,
         coalesce(r.cap, CASE WHEN r.reached_amount >= 0
                              THEN times(r.cap_rate, r.reached_amount) END) AS bound,
         coalesce(r.cap, CASE WHEN r.reached_amount - r.amount >= 0
                              THEN times(r.cap_rate, r.reached_amount - r.amount)
                         END) AS bound_before
  FROM reached AS r),
taken_off AS (
  SELECT b.*,
         least(b.reached, whole(times(b.bound, z.round_per), {limit}) * z.round_step)
         - least(b.reached - b.earned,
                 whole(times(b.bound_before, z.round_per), {limit}) * z.round_step)
         - b.earned AS taken
  FROM bounds AS b
  JOIN terms AS z ON z.plan = b.plan)
SELECT plan, component, rank, role, payee, per, period, period_from, period_to, last_month,
       currency, bound AS detail, taken AS earned
FROM taken_off
WHERE taken <> 0

-- step: unit_tests
-- Which tests of what is earned for separately hold at the end of which months.
{unit_tests}

-- step: losses
-- The months at whose end a unit is lost, and was not at the end of the month before.
SELECT t.test, t.unit, t.month, p.period, p.period_from, p.period_to, p.last_month
FROM unit_tests AS t
JOIN periods AS p ON p.calendar = '1@1' AND p.first_month = t.month AND p.last_month < {paid_to}
LEFT JOIN unit_tests AS b ON b.test = t.test AND b.unit = t.unit AND b.month = t.month - 1
WHERE b.unit IS NULL AND t.test IN (SELECT clawback_test FROM components)

-- step: loss_days
-- The first day of such a month on which the unit is lost: one on which a label of it changes.
WITH days AS (
  SELECT unit, month, period_from AS day FROM losses
  UNION
  SELECT l.unit, l.month, s.valid_from
  FROM losses AS l
  JOIN labels AS s
    ON s.party = l.unit AND s.valid_from > l.period_from AND s.valid_from < l.period_to
  UNION
  SELECT l.unit, l.month, s.valid_to
  FROM losses AS l
  JOIN labels AS s ON s.party = l.unit AND s.valid_to > l.period_from AND s.valid_to < l.period_to)
SELECT t.test, t.unit, t.month, min(t.day) AS day
FROM ({loss_tests}) AS t
GROUP BY t.test, t.unit, t.month

-- step: clawback_entries
-- Taken back in the month in which a unit is lost: what was paid on it up to then, once, where the
-- window of it is open; all of it, or the part for the days of the window that are left.
WITH lost AS (
  SELECT o.plan, o.component, o.rank, o.role, o.payee, o.unit, o.currency, o.earned, o.last_month,
         k.clawback_span AS span, k.clawback_unit AS counted_in, k.clawback_from AS starts_with,
         k.pro_rata, l.month, l.period, l.period_from, l.period_to, l.last_month AS lost_month,
         d.day, c.earned AS line, {kept_of_line} AS kept,
         CASE k.clawback_from WHEN 'payment' THEN o.period_to - 1
                              WHEN 'customer since' THEN n.day
                              WHEN 'label' THEN a.day END AS starts
  FROM components AS k
  JOIN component_earnings AS o ON o.plan = k.plan AND o.component = k.component AND o.earned <> 0
  JOIN losses AS l
    ON l.test = k.clawback_test AND l.month >= o.last_month
   AND l.unit = CASE k.each WHEN 'payee' THEN o.payee ELSE o.unit END
  JOIN loss_days AS d ON d.test = l.test AND d.unit = l.unit AND d.month = l.month
  JOIN component_lines AS c
    ON c.plan = o.plan AND c.component = o.component AND c.payee = o.payee
   AND c.period = o.period
  {kept_lines}
  LEFT JOIN customer_since AS n ON n.customer = l.unit
  LEFT JOIN (SELECT party, label, min(valid_from) AS day FROM labels GROUP BY party, label) AS a
    ON a.party = l.unit AND a.label = k.clawback_label
  WHERE k.clawback_test <> 0
    AND NOT EXISTS (SELECT 1 FROM losses AS f
                    WHERE f.test = l.test AND f.unit = l.unit
                      AND f.month >= o.last_month AND f.month < l.month)),
windows AS (
  SELECT s.*,
         CASE s.counted_in WHEN 'day' THEN s.starts + s.span
                           ELSE months_later(s.starts, s.span) END AS ends
  FROM lost AS s),
shares AS (
  SELECT w.*, CASE WHEN pro_rata = 1 AND day > starts THEN ends - day ELSE 1 END AS days_left,
         CASE WHEN pro_rata = 1 AND day > starts THEN ends - starts ELSE 1 END AS days,
         CASE WHEN kept = line THEN 1 ELSE kept END AS kept_part,
         CASE WHEN kept = line THEN 1 ELSE line END AS line_part
  FROM windows AS w
  WHERE kept <> 0
    AND CASE starts_with WHEN '' THEN last_month >= month - span
                         ELSE starts IS NULL OR day < ends END),
taken_back AS (
  SELECT p.*,
         rounded(times(times(times(p.earned, p.days_left), p.kept_part), z.round_per),
                 times(times(p.days, p.line_part), {money}), z.round_mode, z.round_step) AS back
  FROM shares AS p
  JOIN terms AS z ON z.plan = p.plan)
SELECT plan, component, rank, role, payee, period, period_from, period_to,
       lost_month AS last_month, currency, unit, -sum(back) AS earned
FROM taken_back
GROUP BY plan, component, rank, role, payee, period, period_from, period_to, lost_month, currency,
         unit
HAVING sum(back) <> 0

-- step: override_entries
-- What a payee earns on what those earned whose role it holds on the period's last day, less what
-- is taken back of them: level by level, since what these earned can be an override too.
WITH lines AS (
  SELECT plan, component, payee, period_from, period_to, currency, earned FROM best_lines
  UNION ALL
  SELECT plan, component, payee, period_from, period_to, currency, earned FROM clawback_entries
  {lower_overrides}),
below AS (
  SELECT k.plan, k.component, k.rank, k.role, h.party AS payee, k.per, p.period, p.period_from,
         p.period_to, p.last_month, l.currency, k.on_name, k.portion, k.cap,
         k.portion_per, summed(times(l.earned, h.share)) AS base
  FROM components AS k
  JOIN terms AS z ON z.plan = k.plan
  JOIN periods AS p
    ON p.calendar = k.calendar AND z.valid_from <= p.period_from AND p.period_from < z.valid_to
  JOIN lines AS l
    ON l.plan = k.plan AND l.component = k.on_name
   AND l.period_from >= p.period_from AND l.period_to <= p.period_to
  JOIN links AS h
    ON h.of_kind = 'party' AND h.subject = l.payee AND h.role = k.role AND h.sound = 1
   AND h.valid_from < p.period_to AND p.period_to <= h.valid_to
  WHERE k.override_level = {override_level} AND p.last_month < {paid_to}
  GROUP BY k.plan, k.component, k.rank, k.role, h.party, k.per, p.period, p.period_from,
           p.period_to, p.last_month, l.currency, k.on_name, k.portion, k.portion_per, k.cap),
stepped AS (
  SELECT b.*, z.round_step, z.round_mode,
         times(lesser(times(times(b.base, b.portion), {override_lift}),
                      times(times(b.cap, b.portion_per), {override_cap_lift})),
               z.round_per) AS top,
         times({override}, b.portion_per) AS bottom
  FROM below AS b
  JOIN terms AS z ON z.plan = b.plan)
SELECT plan, component, rank, role, payee, per, period, period_from, period_to, last_month,
       currency, on_name AS detail, base, rounded(top, bottom, round_mode, round_step) AS earned
FROM stepped

-- step: earnings
-- All that is earned: by itself, and the entries that other clauses make beside it. A statement's
-- line is the sum of its rows. What takes off or adds is `detail`, `others` or `bound`.
WITH entries AS (
  SELECT l.plan, l.component, l.rank, l.role, l.payee, l.per, l.period, l.period_from,
         l.period_to, l.last_month, l.currency, e.reason, e.step_no, e.detail, e.others, e.earned
  FROM (SELECT plan, component, payee, period, 'gate' AS reason, 1 AS step_no, detail,
               NULL AS others, earned
        FROM gate_entries
        UNION ALL
        SELECT plan, component, payee, period, 'less', 2, NULL, others, earned FROM less_entries
        UNION ALL
        SELECT plan, component, payee, period, 'beaten', 3, detail, NULL, earned
        FROM best_entries) AS e
  JOIN component_lines AS l
    ON l.plan = e.plan AND l.component = e.component
   AND l.payee = e.payee AND l.period = e.period
  WHERE e.earned <> 0)
SELECT plan, component, rank, role, payee, unit, per, period, period_from, period_to, last_month,
       currency, 0 AS step_no, reason, coalesce(gate, times_words) AS detail,
       CAST(NULL AS TEXT) AS others, CAST(NULL AS BIGINT) AS bound, amount, target, compared,
       times(base, {base_lift}) AS base, measure, reference, pays_on, reads_by, portion, table_id,
       table_from, uncapped, divisor, cap, earned
FROM component_earnings
UNION ALL
SELECT plan, component, rank, role, payee, 0, per, period, period_from, period_to, last_month,
       currency, step_no, reason, detail, others, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
       NULL, NULL, NULL, NULL, NULL, NULL, NULL, earned
FROM entries
UNION ALL
SELECT plan, component, rank, role, payee, 0, per, period, period_from, period_to, last_month,
       currency, 4, 'ceiling', NULL, NULL, detail, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
       NULL, NULL, NULL, NULL, NULL, NULL, NULL, earned
FROM ceiling_entries
UNION ALL
SELECT plan, component, rank, role, payee, 0, per, period, period_from, period_to, last_month,
       currency, 5, 'override', detail, NULL, NULL, NULL, NULL, NULL, times(base, {held_base_lift}),
       NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, earned
FROM override_entries
UNION ALL
SELECT plan, component, rank, role, payee, unit, 'month', period, period_from, period_to,
       last_month, currency, 6, 'clawback', unit, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
       NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, earned
FROM clawback_entries

-- step: earned_sums
-- What each plan earns each payee in the lines that the period pays.
SELECT plan, component, payee, currency, sum(earned) AS earned
FROM earnings
WHERE last_month >= {paid_from} AND last_month < {paid_to}
GROUP BY plan, component, payee, currency

-- step: line_customers
-- What each line that the period pays measures of each customer, and what of it counts.
SELECT e.plan, e.component, e.payee, e.period, c.customer, c.excluded_by, c.baseline_period,
       max(c.baseline) AS baseline, sum(c.amount) AS credited, sum(c.counted) AS counted,
       sum(c.charges) AS charges
FROM (SELECT DISTINCT plan, component, payee, period, first_month, last_month
      FROM component_earnings
      WHERE last_month >= {paid_from} AND last_month < {paid_to}) AS e
JOIN qualifying_of AS l ON l.plan = e.plan AND l.component = e.component
JOIN qualifying_amounts AS c
  ON c.plan = l.counted_plan AND c.component = l.counted_component AND c.payee = e.payee
 AND c.month >= e.first_month AND c.month <= e.last_month
GROUP BY e.plan, e.component, e.payee, e.period, c.customer, c.excluded_by, c.baseline_period

-- step: not_counted
-- What is credited but does not count, for the lines that the period pays: by the rule that
-- excludes it, or below a baseline; below zero, what a weight counts besides. Plans that differ in
-- their tables alone have it in common.
WITH shared AS (
  SELECT e.plan, e.component, e.payee,
         coalesce(c.excluded_by, c.weighted_by, {baseline}) AS rule,
         sum(c.amount - c.counted) AS amount
  FROM (SELECT DISTINCT plan, component, payee, first_month, last_month
        FROM tested
        WHERE last_month >= {paid_from} AND last_month < {paid_to}) AS e
  JOIN qualifying_of AS l ON l.plan = e.plan AND l.component = e.component
  JOIN qualifying_amounts AS c
    ON c.plan = l.counted_plan AND c.component = l.counted_component AND c.payee = e.payee
   AND c.month >= e.first_month AND c.month <= e.last_month
  WHERE c.amount <> c.counted
  GROUP BY e.plan, e.component, e.payee, coalesce(c.excluded_by, c.weighted_by, {baseline})
  HAVING sum(c.amount - c.counted) <> 0)
SELECT a.plan, s.component, s.payee, s.rule, s.amount
FROM shared AS s
JOIN like_of AS a ON a.tested_plan = s.plan AND a.component = s.component
