-- step: plan_measures
-- The components that are measured month by month, with the plan by whose credits; what they count
-- serves all that count alike.
SELECT k.*, l.crediting
FROM plan_components AS k
JOIN shared_measures AS l
  ON l.counted_plan = k.plan_id AND l.counted_component = k.rule_id
 AND l.plan_id = k.plan_id AND l.rule_id = k.rule_id

-- step: plan_totals
-- The components whose months are summed over periods, with the component that counts these; what
-- they sum serves all that sum alike.
SELECT k.*, l.counted_plan, l.counted_component
FROM plan_components AS k
JOIN shared_measures AS l
  ON l.like_plan = k.plan_id AND l.like_component = k.rule_id
 AND l.plan_id = k.plan_id AND l.rule_id = k.rule_id

-- step: reading_days
-- Each reading with the days on which it has credits.
SELECT DISTINCT reading_id, day FROM credits

-- step: excluded
-- The first exclusion that holds for a component, reading and day.
SELECT x.plan_id, k.rule_id AS component, h.reading_id, s.day,
       min_by(x.rule_id, x.rank) AS excluded_by
FROM plan_exclusions AS x
JOIN plan_measures AS k ON k.plan_id = x.plan_id AND (x.component = '' OR x.component = k.rule_id)
JOIN rule_matches AS h ON h.plan_id = x.plan_id AND h.rule_id = x.rule_id
JOIN reading_days AS s
  ON s.reading_id = h.reading_id AND x.valid_from <= s.day
 AND s.day < x.valid_to
GROUP BY x.plan_id, k.rule_id, h.reading_id, s.day

-- step: claimed
-- In groups in which a credit counts once: the first component that measures a reading, and how
-- many do.
SELECT k.plan_id, k.group_id, k.role, r.reading_id, g.kind, min_by(k.rule_id, k.rank) AS component,
       count(*) AS components
FROM plan_measures AS k
JOIN plan_groups AS g
  ON g.plan_id = k.plan_id AND g.rule_id = k.group_id
 AND g.kind IN ('first match', 'exclusive')
CROSS JOIN readings AS r
LEFT JOIN rule_matches AS h
  ON h.plan_id = k.plan_id AND h.rule_id = k.measure_rule
 AND h.reading_id = r.reading_id
WHERE k.measure_rule = '' OR h.reading_id IS NOT NULL
GROUP BY k.plan_id, k.group_id, k.role, r.reading_id, g.kind

-- step: reading_columns
-- The column of each table version that pays for a reading: the first whose condition holds.
SELECT x.plan_id, x.table_id, x.version, h.reading_id, min(x.column_no) AS column_no
FROM plan_columns AS x
JOIN rule_matches AS h ON h.plan_id = x.plan_id AND h.rule_id = x.rule_id
GROUP BY x.plan_id, x.table_id, x.version, h.reading_id

-- step: performance_measures
-- What each component measures, by payee, unit, customer and month, told apart by table column,
-- what excludes it and whether a baseline is set against it.
SELECT k.plan_id, k.rule_id AS component, c.party AS payee, {unit} AS unit, c.customer, c.month,
       {column_no} AS column_no,
       coalesce(x.excluded_by,
                CASE WHEN f.kind = 'exclusive' AND f.components > 1 THEN k.group_id END
               ) AS excluded_by,
       k.baseline <> '' AND (k.baseline_rule = '' OR b.reading_id IS NOT NULL) AS baselined,
       sum(c.amount) AS amount, sum(c.charges) AS charges
FROM credits AS c
JOIN plan_measures AS k
  ON k.crediting = c.plan_id AND k.role = c.role AND k.basis = c.basis
 AND k.pays_on <> 'earned'
LEFT JOIN rule_matches AS m
  ON m.plan_id = k.plan_id AND m.rule_id = k.measure_rule
 AND m.reading_id = c.reading_id
LEFT JOIN claimed AS f
  ON f.plan_id = k.plan_id AND f.group_id = k.group_id AND f.role = c.role
 AND f.reading_id = c.reading_id
LEFT JOIN excluded AS x
  ON x.plan_id = k.plan_id AND x.component = k.rule_id
 AND x.reading_id = c.reading_id AND x.day = c.day
LEFT JOIN rule_matches AS b
  ON b.plan_id = k.plan_id AND b.rule_id = k.baseline_rule
 AND b.reading_id = c.reading_id{unit_join}{column_join}
WHERE (k.measure_rule = '' OR m.reading_id IS NOT NULL)
  AND (f.kind IS NULL OR f.kind <> 'first match' OR f.component = k.rule_id)
GROUP BY ALL

-- step: baselined
-- Spend set against a customer's baseline: in the order of months, only what comes above it counts.
WITH spend AS (
  SELECT m.plan_id, m.component, m.payee, m.unit, m.customer, m.month, m.column_no, m.amount,
         m.charges, p.period, coalesce(f.amount, 0) AS baseline,
         sum(m.amount) OVER (PARTITION BY m.plan_id, m.component, m.payee, m.customer, p.period
                             ORDER BY m.month, m.unit, m.column_no) AS reached
  FROM performance_measures AS m
  JOIN plan_measures AS k ON k.plan_id = m.plan_id AND k.rule_id = m.component
  JOIN plan_terms AS t ON t.plan_id = m.plan_id
  JOIN periods AS p
    ON p.calendar = k.baseline_calendar AND p.period_from <= m.month
   AND m.month < p.period_to
  LEFT JOIN figures AS f
    ON f.party = m.customer AND f.figure = k.baseline AND f.period = p.period
   AND f.currency = t.currency
  WHERE m.baselined AND m.excluded_by IS NULL)
SELECT plan_id, component, payee, unit, customer, month, column_no, period, baseline, amount,
       charges,
       greatest(reached - baseline, 0) - greatest(reached - amount - baseline, 0) AS counted
FROM spend

-- step: qualifying_amounts
-- What counts, by payee, unit, customer and month; what is excluded counts 0.
SELECT plan_id, component, payee, unit, customer, month, column_no, charges, amount,
       CAST(CASE WHEN excluded_by IS NULL THEN amount ELSE 0 * amount END AS {measure}) AS counted,
       excluded_by, CAST(NULL AS VARCHAR) AS baseline_period, CAST(0 AS {measure}) AS baseline
FROM performance_measures
WHERE NOT (baselined AND excluded_by IS NULL)
UNION ALL
SELECT plan_id, component, payee, unit, customer, month, column_no, charges, amount,
       CAST(counted AS {measure}), NULL, period, CAST(baseline AS {measure})
FROM baselined

-- step: qualifying_customers
-- Where customers are counted: how many reach what the component asks of each in a period.
SELECT s.plan_id, s.component, s.payee, s.unit, s.period, CAST(count(*) AS {measure}) AS customers
FROM (SELECT k.plan_id, k.rule_id AS component, c.payee, c.unit, c.customer, p.period,
      p.period_from, p.period_to, sum(c.counted) AS amount
      FROM qualifying_amounts AS c
      JOIN plan_totals AS k
        ON k.counted_plan = c.plan_id AND k.counted_component = c.component
       AND k.counts <> 'amount'
      JOIN periods AS p
        ON p.calendar = k.calendar AND p.period_from <= c.month
       AND c.month < p.period_to
      GROUP BY ALL) AS s
JOIN plan_totals AS k ON k.plan_id = s.plan_id AND k.rule_id = s.component
LEFT JOIN customer_since AS n ON n.customer = s.customer
WHERE CASE WHEN k.counts_from IS NULL THEN s.amount > 0 ELSE s.amount >= k.counts_from END
  AND (k.counts = 'customers' OR (n.day >= s.period_from AND n.day < s.period_to))
GROUP BY s.plan_id, s.component, s.payee, s.unit, s.period

-- step: measures
-- The measured amount of each component, payee, unit and period; and of the same to date.
WITH totals AS (
  SELECT k.plan_id, k.rule_id AS component, c.payee, c.unit, p.calendar, p.period, p.period_from,
         p.period_to, p.paid_month, k.counts, k.up_to, sum(c.counted) AS amount
  FROM qualifying_amounts AS c
  JOIN plan_totals AS k ON k.counted_plan = c.plan_id AND k.counted_component = c.component
  JOIN periods AS p
    ON p.calendar = k.calendar AND p.period_from <= c.month
   AND c.month < p.period_to
  GROUP BY ALL),
bounded AS (
  SELECT s.plan_id, s.component, s.payee, s.unit, s.calendar, s.period, s.period_from, s.period_to,
         s.paid_month, s.amount AS spend,
         least(CASE WHEN s.counts = 'amount' THEN CAST(s.amount AS {measure})
               ELSE coalesce(n.customers, CAST(0 AS {measure})) END,
               CAST(s.up_to AS {measure})) AS amount
  FROM totals AS s
  LEFT JOIN qualifying_customers AS n
    ON n.plan_id = s.plan_id AND n.component = s.component AND n.payee = s.payee AND n.unit = s.unit
      AND n.period = s.period)
SELECT m.*, sum(amount) OVER (PARTITION BY plan_id, component, payee, unit
                              ORDER BY period_from) AS to_date
FROM bounded AS m

-- step: column_measures
-- The same amounts by table column, up to the component's bound in the order of columns.
WITH totals AS (
  SELECT k.plan_id, k.rule_id AS component, c.payee, c.unit, p.period, c.column_no,
         CAST(k.up_to AS {measure}) AS up_to, sum(c.counted) AS amount
  FROM qualifying_amounts AS c
  JOIN plan_totals AS k ON k.counted_plan = c.plan_id AND k.counted_component = c.component
  JOIN periods AS p
    ON p.calendar = k.calendar AND p.period_from <= c.month
   AND c.month < p.period_to
  GROUP BY ALL),
reached AS (
  SELECT s.*, sum(amount) OVER (PARTITION BY plan_id, component, payee, unit, period
                                ORDER BY column_no) AS reached,
         count(*) OVER (PARTITION BY plan_id, component, payee, unit, period) AS columns
  FROM totals AS s)
SELECT plan_id, component, payee, unit, period, column_no, columns,
       CAST(least(reached, up_to) - least(reached - amount, up_to) AS {measure}) AS amount
FROM reached

-- step: customers_last_year
-- What anybody was credited a year before for the customers that a payee has in a period.
SELECT h.plan_id, h.component, h.payee, h.unit, h.period, sum(c.counted) AS amount
FROM (SELECT DISTINCT k.plan_id, k.rule_id AS component, k.counted_plan, k.counted_component,
             c.payee, c.unit, c.customer, p.period, p.period_from, p.period_to
      FROM qualifying_amounts AS c
      JOIN plan_totals AS k
        ON k.counted_plan = c.plan_id AND k.counted_component = c.component
       AND k.compare = 'last year of its customers'
      JOIN periods AS p
        ON p.calendar = k.calendar AND p.period_from <= c.month
       AND c.month < p.period_to) AS h
JOIN qualifying_amounts AS c
  ON c.plan_id = h.counted_plan AND c.component = h.counted_component
 AND c.customer = h.customer
 AND c.month >= h.period_from - INTERVAL 1 YEAR AND c.month < h.period_to - INTERVAL 1 YEAR
GROUP BY h.plan_id, h.component, h.payee, h.unit, h.period

-- step: payee_attributes
-- What conditions on payees read on the first day of a period.
SELECT b.payee, b.period_from{payee_labels}
FROM (SELECT DISTINCT payee, period_from FROM measures) AS b{payee_joins}

-- step: payee_tests
-- Which conditions hold of which payees.
{payee_tests}

-- step: payee_matches
-- Which payees qualify for which components in which period.
SELECT k.plan_id, k.rule_id AS component, t.payee, t.period_from
FROM plan_components AS k
JOIN plan_trees AS p ON p.plan_id = k.plan_id AND p.rule_id = k.payee_rule
JOIN payee_tests AS t ON t.tree_no = p.tree_no

-- step: referenced
-- Each base beside what it is measured against: figures of the book, or the measure of an earlier
-- period.
SELECT k.plan_id, k.rule_id AS component, l.like_plan, l.like_component, k.rank, k.role, b.payee,
       b.unit, k.each, k.per, b.period, b.period_from, b.period_to, b.paid_month, z.currency,
       b.amount, b.to_date,
       k.pays_on, k.reads_by, k.times_by, k.times_table, k.portion, k.cap, k.cap_rate, k.table_id,
       z.round_step, z.round_per, z.round_mode,
       CAST(t.amount AS {measure}) AS target,
       CASE k.compare WHEN 'last year' THEN CAST(y.amount AS {measure})
                      WHEN 'previous period' THEN CAST(v.amount AS {measure})
                      WHEN 'last year of its customers' THEN CAST(c.amount AS {measure})
                      ELSE CAST(f.amount AS {measure}) END AS compared,
       CAST(n.amount AS {measure}) AS figure, CAST(w.amount AS {measure}) AS by_figure,
       CAST(x.amount AS {measure}) AS times_figure, b.spend,
       coalesce(CAST(v.spend AS {measure}), 0) AS spend_before,
       k.payee_rule = '' OR q.payee IS NOT NULL AS qualifies
FROM measures AS b
JOIN shared_measures AS l ON l.like_plan = b.plan_id AND l.like_component = b.component
JOIN plan_components AS k ON k.plan_id = l.plan_id AND k.rule_id = l.rule_id
JOIN plan_terms AS z
  ON z.plan_id = k.plan_id AND z.valid_from <= b.period_from
 AND b.period_from < z.valid_to
LEFT JOIN figures AS t
  ON t.party = CASE k.target_of WHEN 'customer' THEN b.unit ELSE b.payee END
 AND t.figure = k.target AND t.period = b.period AND t.currency IN (z.currency, '')
LEFT JOIN figures AS f
  ON f.party = CASE k.compare_of WHEN 'customer' THEN b.unit ELSE b.payee END
 AND f.figure = k.compare_name AND f.period = b.period AND f.currency IN (z.currency, '')
LEFT JOIN figures AS n
  ON n.party = CASE k.on_of WHEN 'customer' THEN b.unit ELSE b.payee END
 AND n.figure = k.on_name AND n.period = b.period AND n.currency IN (z.currency, '')
LEFT JOIN figures AS w
  ON w.party = CASE k.by_of WHEN 'customer' THEN b.unit ELSE b.payee END
 AND w.figure = k.by_name AND w.period = b.period AND w.currency IN (z.currency, '')
LEFT JOIN figures AS x
  ON x.party = CASE k.times_of WHEN 'customer' THEN b.unit ELSE b.payee END
 AND x.figure = k.times_name AND x.period = b.period AND x.currency IN (z.currency, '')
LEFT JOIN measures AS y
  ON y.plan_id = b.plan_id AND y.component = b.component AND y.payee = b.payee
 AND y.unit = b.unit AND y.period_from = b.period_from - INTERVAL 1 YEAR
LEFT JOIN measures AS v
  ON v.plan_id = b.plan_id AND v.component = b.component AND v.payee = b.payee
 AND v.unit = b.unit AND v.period_to = b.period_from
LEFT JOIN customers_last_year AS c
  ON c.plan_id = b.plan_id AND c.component = b.component AND c.payee = b.payee AND c.unit = b.unit
 AND c.period = b.period
LEFT JOIN payee_matches AS q
  ON q.plan_id = k.plan_id AND q.component = k.rule_id
 AND q.payee = b.payee AND q.period_from = b.period_from
WHERE b.paid_month >= DATE '{earn_from}' AND b.paid_month < DATE '{paid_to}'

-- step: gated
-- The first gate of a component that is shut; one whose number is missing is.
SELECT s.plan_id, s.component, s.payee, s.unit, s.period, min(s.gate_no) AS gate_no,
       min_by(s.words, s.gate_no) AS words
FROM (SELECT r.plan_id, r.component, r.payee, r.unit, r.period, g.gate_no, g.words,
             g.lower, g.lower_in, g.upper, g.upper_in,
             CASE g.subject WHEN 'amount' THEN r.amount
                            WHEN 'attainment' THEN r.amount
                            WHEN 'spend' THEN r.spend
                            WHEN 'spend before' THEN r.spend_before
                            WHEN 'amount to date' THEN r.to_date
                            WHEN 'figure' THEN CAST(f.amount AS {measure})
                            ELSE r.amount - r.compared END AS measure,
             CASE g.subject WHEN 'attainment' THEN r.target
                            WHEN 'growth' THEN r.compared
                            ELSE 1 END AS reference
      FROM referenced AS r
      JOIN plan_gates AS g
        ON g.plan_id = r.plan_id AND g.component = r.component
       AND g.subject <> 'earned'
      LEFT JOIN figures AS f
        ON f.party = CASE g."of" WHEN 'customer' THEN r.unit ELSE r.payee END
       AND f.figure = g.name AND f.period = r.period AND f.currency IN (r.currency, '')) AS s
WHERE NOT coalesce(
  s.reference > 0
  AND (s.lower IS NULL OR s.measure > s.lower * s.reference
       OR (s.lower_in AND s.measure = s.lower * s.reference))
  AND (s.upper IS NULL OR s.measure < s.upper * s.reference
       OR (s.upper_in AND s.measure = s.upper * s.reference)),
  false)
GROUP BY s.plan_id, s.component, s.payee, s.unit, s.period

-- step: tested
-- What a rate is applied to, what picks the band, and what the band's bounds are multiplied with;
-- or why nothing can be earned.
SELECT r.*, r.amount - r.compared AS increment,
       CASE r.pays_on WHEN 'amount' THEN r.amount
                      WHEN 'increment' THEN r.amount - r.compared
                      ELSE r.figure END AS base,
       CASE r.reads_by WHEN 'amount' THEN r.amount
                       WHEN 'attainment' THEN r.amount
                       WHEN 'amount to date' THEN r.to_date
                       WHEN 'figure' THEN r.by_figure
                       ELSE r.amount - r.compared END AS measure,
       CASE r.reads_by WHEN 'attainment' THEN r.target
                       WHEN 'growth' THEN r.compared
                       ELSE 1 END AS reference,
       CASE r.times_by WHEN 'amount' THEN r.amount
                       WHEN 'attainment' THEN r.amount
                       WHEN 'amount to date' THEN r.to_date
                       WHEN 'figure' THEN r.times_figure
                       ELSE r.amount - r.compared END AS times_measure,
       CASE r.times_by WHEN 'attainment' THEN r.target
                       WHEN 'growth' THEN r.compared
                       ELSE 1 END AS times_reference,
       CASE WHEN NOT r.qualifies THEN 'payee'
            WHEN r.each <> 'payee' AND r.unit = '' THEN 'no-unit'
            WHEN 'attainment' IN (r.reads_by, r.times_by)
              AND (r.target IS NULL OR r.target <= 0) THEN 'no-target'
            WHEN 'growth' IN (r.reads_by, r.times_by)
              AND (r.compared IS NULL OR r.compared <= 0) THEN 'no-comparison'
            WHEN ('increment' IN (r.reads_by, r.times_by) OR r.pays_on = 'increment')
              AND r.compared IS NULL THEN 'no-comparison'
            WHEN (r.pays_on = 'figure' AND r.figure IS NULL)
              OR (r.reads_by = 'figure' AND r.by_figure IS NULL)
              OR (r.times_by = 'figure' AND r.times_figure IS NULL) THEN 'no-figure'
            WHEN g.gate_no IS NOT NULL THEN 'gate' END AS hindrance,
       g.words AS gate
FROM referenced AS r
LEFT JOIN gated AS g
  ON g.plan_id = r.plan_id AND g.component = r.component AND g.payee = r.payee
 AND g.unit = r.unit AND g.period = r.period

-- step: tier_portions
-- What is paid by which column of the table: amounts by their own; anything else by the one column
-- that the unit has.
SELECT t.plan_id, t.component, t.payee, t.unit, t.period, coalesce(c.column_no, 0) AS column_no,
       CASE WHEN c.columns > 1 THEN c.amount ELSE t.base END AS base
FROM tested AS t
JOIN column_measures AS c
  ON c.plan_id = t.like_plan AND c.component = t.like_component
 AND c.payee = t.payee AND c.unit = t.unit AND c.period = t.period
WHERE t.hindrance IS NULL AND (c.columns = 1 OR t.pays_on = 'amount')

-- step: slices
-- The bands reached, with what each is applied to: the whole, or its own slice.
-- Amounts of one column are cast to one type: DuckDB would round silently to the fewer decimals of
-- two 38-digit types.
SELECT t.plan_id, t.component, t.payee, t.unit, t.period, n.valid_from AS table_from, n.column_no,
       n.kind, n.band_no, n.words, n.rate, n.flat,
       CASE WHEN n.kind <> 'marginal' THEN CAST(p.base AS {part})
            ELSE CAST(least(CAST(t.measure AS {part}),
                            coalesce(CAST(n.upper * t.reference AS {part}),
                                     CAST(t.measure AS {part})))
                      - coalesce(CAST(n.lower * t.reference AS {part}), 0) AS {part}) END AS part,
       CASE WHEN n.kind = 'interpolated' AND n.upper IS NOT NULL
            THEN CAST(n.rate * CAST((n.upper - n.lower) * t.reference AS {part}) AS {slope})
               + CAST((n.rate_to - n.rate)
                      * CAST(t.measure - n.lower * t.reference AS {part}) AS {slope})
            END AS slope,
       CASE WHEN n.kind = 'interpolated' AND n.upper IS NOT NULL
            THEN CAST((n.upper - n.lower) * t.reference AS {part})
            ELSE CAST(1 AS {part}) END AS divisor
FROM tested AS t
JOIN tier_portions AS p
  ON p.plan_id = t.plan_id AND p.component = t.component AND p.payee = t.payee
 AND p.unit = t.unit AND p.period = t.period
JOIN plan_bands AS n
  ON n.plan_id = t.plan_id AND n.table_id = t.table_id
 AND n.column_no = p.column_no AND n.valid_from <= t.period_from AND t.period_from < n.valid_to
WHERE t.hindrance IS NULL
  AND (n.lower IS NULL OR t.measure > n.lower * t.reference
       OR (n.lower_in AND t.measure = n.lower * t.reference))
  AND (n.kind = 'marginal' OR n.upper IS NULL OR t.measure < n.upper * t.reference
       OR (n.upper_in AND t.measure = n.upper * t.reference))

-- step: tier_earnings
-- What each reached band pays, to be divided by its divisor.
SELECT s.*, coalesce(CAST(part * slope AS {pays}), CAST(part * rate AS {pays}),
                     CAST(flat AS {pays})) AS pays
FROM slices AS s

-- step: tier_totals
-- What the reached bands pay together.
SELECT plan_id, component, payee, unit, period, min(table_from) AS table_from, count(*) AS bands,
       sum(pays) AS amount, max(divisor) AS divisor
FROM tier_earnings
GROUP BY plan_id, component, payee, unit, period

-- step: factors
-- The rate of the second table that the outcome is multiplied with.
SELECT t.plan_id, t.component, t.payee, t.unit, t.period, max(n.rate) AS factor,
       max(n.words) AS words
FROM tested AS t
JOIN plan_bands AS n
  ON n.plan_id = t.plan_id AND n.table_id = t.times_table
 AND n.valid_from <= t.period_from AND t.period_from < n.valid_to
WHERE t.hindrance IS NULL
  AND (n.lower IS NULL OR t.times_measure > n.lower * t.times_reference
       OR (n.lower_in AND t.times_measure = n.lower * t.times_reference))
  AND (n.upper IS NULL OR t.times_measure < n.upper * t.times_reference
       OR (n.upper_in AND t.times_measure = n.upper * t.times_reference))
GROUP BY t.plan_id, t.component, t.payee, t.unit, t.period

-- step: component_earnings
-- What is earned by itself: portion and multiplier, then cap, then rounding, once.
WITH factored AS (
  SELECT t.*, s.table_from, s.bands, coalesce(s.divisor, CAST(1 AS {part})) AS divisor,
         f.words AS times_words,
         CASE WHEN t.times_table <> '' AND f.factor IS NULL THEN CAST(0 AS {uncapped})
              ELSE coalesce(CAST(CAST(s.amount * t.portion AS {portioned})
                                 * coalesce(f.factor, 1) AS {uncapped}), 0) END AS uncapped,
         CASE WHEN t.times_table <> '' AND f.factor IS NULL THEN NULL ELSE s.bands END AS reached,
         coalesce(CAST(t.cap AS {limit}),
                  CASE WHEN t.amount >= 0 THEN CAST(t.cap_rate * t.amount AS {limit}) END
                 ) AS ceiling
  FROM tested AS t
  LEFT JOIN tier_totals AS s
    ON s.plan_id = t.plan_id AND s.component = t.component
   AND s.payee = t.payee AND s.unit = t.unit AND s.period = t.period
  LEFT JOIN factors AS f
    ON f.plan_id = t.plan_id AND f.component = t.component
   AND f.payee = t.payee AND f.unit = t.unit AND f.period = t.period),
exact AS (
  SELECT f.*,
         CASE WHEN hindrance IS NOT NULL THEN hindrance
              WHEN reached IS NULL THEN 'no-band'
              WHEN uncapped > ceiling * divisor THEN 'capped'
              ELSE 'band' END AS reason,
         least(uncapped, coalesce(CAST(ceiling * divisor AS {uncapped}), uncapped))
         * round_per AS stepped
  FROM factored AS f),
whole AS (
  SELECT e.*,
         CASE WHEN divisor = 1 THEN NULL ELSE {shift_stepped} END AS top,
         CASE WHEN divisor = 1 THEN NULL ELSE {shift_divisor} END AS bottom
  FROM exact AS e)
SELECT plan_id, component, rank, role, payee, unit, per, period, period_from, period_to, paid_month,
       currency, amount, target, compared, base, measure, reference,
       pays_on, reads_by, portion, table_id, table_from, uncapped, divisor, ceiling AS cap, reason,
       gate, times_words,
       CASE WHEN divisor <> 1 THEN {rounded_quotient}
            ELSE {rounded_stepped} END * round_step AS earned
FROM whole

-- step: component_lines
-- The same for each payee and period, over all units.
SELECT plan_id, component, rank, role, payee, per, period, period_from, period_to, paid_month,
       currency, sum(amount) AS amount, sum(earned) AS earned
FROM component_earnings
GROUP BY plan_id, component, rank, role, payee, per, period, period_from, period_to, paid_month,
         currency

-- step: gate_entries
-- Taken off where a gate on another component's earnings is shut.
SELECT l.plan_id, l.component, l.payee, l.period, min_by(s.words, s.gate_no) AS detail,
       -l.earned AS earned
FROM component_lines AS l
JOIN (SELECT l.plan_id, l.component, l.payee, l.period, g.gate_no, g.words,
             coalesce(sum(o.earned), 0) AS other,
             any_value(g.lower) AS lower, any_value(g.lower_in) AS lower_in,
             any_value(g.upper) AS upper, any_value(g.upper_in) AS upper_in
      FROM component_lines AS l
      JOIN plan_gates AS g
        ON g.plan_id = l.plan_id AND g.component = l.component
       AND g.subject = 'earned'
      LEFT JOIN component_lines AS o
        ON o.plan_id = l.plan_id AND o.component = g.name
       AND o.payee = l.payee AND o.period_from >= l.period_from AND o.period_to <= l.period_to
      GROUP BY l.plan_id, l.component, l.payee, l.period, g.gate_no, g.words) AS s
  ON s.plan_id = l.plan_id AND s.component = l.component AND s.payee = l.payee
 AND s.period = l.period
WHERE NOT ((s.lower IS NULL OR s.other > s.lower OR (s.lower_in AND s.other = s.lower))
           AND (s.upper IS NULL OR s.other < s.upper OR (s.upper_in AND s.other = s.upper)))
GROUP BY l.plan_id, l.component, l.payee, l.period, l.earned

-- step: gated_lines
-- Lines after those gates.
SELECT l.* EXCLUDE (earned), l.earned + coalesce(g.earned, 0) AS earned
FROM component_lines AS l
LEFT JOIN gate_entries AS g
  ON g.plan_id = l.plan_id AND g.component = l.component
 AND g.payee = l.payee AND g.period = l.period

-- step: less_entries
-- Taken off: what other components paid already, down to zero.
SELECT l.plan_id, l.component, l.payee, l.period,
       string_agg(DISTINCT s.other, ', ' ORDER BY s.other) AS detail,
       -least(l.earned, sum(o.earned)) AS earned
FROM gated_lines AS l
JOIN plan_less AS s ON s.plan_id = l.plan_id AND s.component = l.component
JOIN gated_lines AS o
  ON o.plan_id = l.plan_id AND o.component = s.other AND o.payee = l.payee
 AND o.period_from >= l.period_from AND o.period_to <= l.period_to
WHERE l.earned > 0
GROUP BY l.plan_id, l.component, l.payee, l.period, l.earned
HAVING sum(o.earned) > 0

-- step: lessened_lines
-- Lines after that.
SELECT l.* EXCLUDE (earned), l.earned + coalesce(s.earned, 0) AS earned
FROM gated_lines AS l
LEFT JOIN less_entries AS s
  ON s.plan_id = l.plan_id AND s.component = l.component
 AND s.payee = l.payee AND s.period = l.period

-- step: best_entries
-- Taken off: all but the largest of a group of which only that pays.
SELECT plan_id, component, payee, period, best AS detail, -earned AS earned
FROM (SELECT l.plan_id, l.component, l.payee, l.period, l.earned,
             first_value(l.component) OVER (PARTITION BY l.plan_id, k.group_id, l.payee, l.period
                                            ORDER BY l.earned DESC, l.rank) AS best
      FROM lessened_lines AS l
      JOIN plan_components AS k ON k.plan_id = l.plan_id AND k.rule_id = l.component
      JOIN plan_groups AS g
        ON g.plan_id = l.plan_id AND g.rule_id = k.group_id
       AND g.kind = 'max') AS ranked
WHERE best <> component AND earned <> 0

-- step: best_lines
-- Lines after that.
SELECT l.* EXCLUDE (earned), l.earned + coalesce(b.earned, 0) AS earned
FROM lessened_lines AS l
LEFT JOIN best_entries AS b
  ON b.plan_id = l.plan_id AND b.component = l.component
 AND b.payee = l.payee AND b.period = l.period

-- step: ceiling_entries
-- A line of its own for what a group's ceiling takes off: the ceiling is used up in the order of
-- periods.
WITH totals AS (
  SELECT l.plan_id, g.rule_id AS component, g.rank, min(l.role) AS role, l.payee, l.per, l.period,
         l.period_from, l.period_to, l.paid_month, l.currency, p.period AS capped_period, g.cap,
         g.cap_rate,
         sum(l.earned) AS earned,
         coalesce(sum(CASE WHEN l.component = g.cap_of THEN l.amount END), 0) AS amount
  FROM best_lines AS l
  JOIN plan_components AS k ON k.plan_id = l.plan_id AND k.rule_id = l.component
  JOIN plan_groups AS g
    ON g.plan_id = l.plan_id AND g.rule_id = k.group_id
   AND (g.cap IS NOT NULL OR g.cap_rate IS NOT NULL)
  JOIN periods AS p
    ON p.calendar = g.calendar AND p.period_from <= l.period_from
   AND l.period_to <= p.period_to
  GROUP BY l.plan_id, g.rule_id, g.rank, l.payee, l.per, l.period, l.period_from, l.period_to,
           l.paid_month, l.currency, p.period, g.cap, g.cap_rate),
reached AS (
  SELECT s.*, sum(s.earned) OVER w AS reached, sum(s.amount) OVER w AS reached_amount
  FROM totals AS s
  WINDOW w AS (PARTITION BY plan_id, component, payee, capped_period ORDER BY period_from)),
bounds AS (
  SELECT r.*,
         coalesce(CAST(r.cap AS {limit}),
                  CASE WHEN r.reached_amount >= 0
                       THEN CAST(r.cap_rate * r.reached_amount AS {limit}) END) AS bound,
         coalesce(CAST(r.cap AS {limit}),
                  CASE WHEN r.reached_amount - r.amount >= 0
                       THEN CAST(r.cap_rate * (r.reached_amount - r.amount) AS {limit}) END
                 ) AS bound_before
  FROM reached AS r),
taken_off AS (
  SELECT b.*,
         least(b.reached, trunc(b.bound * z.round_per) * z.round_step)
         - least(b.reached - b.earned, trunc(b.bound_before * z.round_per) * z.round_step)
         - b.earned AS taken
  FROM bounds AS b
  JOIN plan_terms AS z ON z.plan_id = b.plan_id)
SELECT plan_id, component, rank, role, payee, per, period, period_from, period_to, paid_month,
       currency, CAST(bound AS VARCHAR) AS detail, taken AS earned
FROM taken_off
WHERE taken <> 0

-- step: override_entries
-- What a payee earns on what those earned whose role it holds on the period's last day.
WITH below AS (
  SELECT k.plan_id, k.rule_id AS component, k.rank, k.role, h.party AS payee, k.per, p.period,
         p.period_from, p.period_to, p.paid_month, l.currency, k.on_name, k.portion, k.cap,
         sum(l.earned * h.share) AS base
  FROM plan_components AS k
  JOIN plan_terms AS z ON z.plan_id = k.plan_id
  JOIN periods AS p
    ON p.calendar = k.calendar AND z.valid_from <= p.period_from
   AND p.period_from < z.valid_to
  JOIN best_lines AS l
    ON l.plan_id = k.plan_id AND l.component = k.on_name
   AND l.period_from >= p.period_from AND l.period_to <= p.period_to
  JOIN links AS h
    ON h.of_kind = 'party' AND h.subject = l.payee AND h.role = k.role AND h.sound
   AND h.valid_from < p.period_to AND p.period_to <= h.valid_to
  WHERE k.pays_on = 'earned' AND p.paid_month < DATE '{paid_to}'
  GROUP BY k.plan_id, k.rule_id, k.rank, k.role, h.party, k.per, p.period, p.period_from,
           p.period_to, p.paid_month, l.currency, k.on_name, k.portion, k.cap),
stepped AS (
  SELECT b.*, z.round_step, z.round_mode,
         least(CAST(b.base * b.portion AS {override}),
               coalesce(CAST(b.cap AS {override}), CAST(b.base * b.portion AS {override})))
         * z.round_per AS stepped
  FROM below AS b
  JOIN plan_terms AS z ON z.plan_id = b.plan_id)
SELECT plan_id, component, rank, role, payee, per, period, period_from, period_to, paid_month,
       currency, on_name AS detail, base,
       {rounded_stepped} * round_step AS earned
FROM stepped

-- step: customer_months
-- What conditions on customers read on the last day of each month.
SELECT c.customer, p.period_from AS month{customer_labels}
FROM (SELECT DISTINCT customer FROM owned WHERE customer IS NOT NULL) AS c
CROSS JOIN periods AS p{customer_joins}
WHERE p.calendar = '1@1'

-- step: customer_tests
-- Which conditions hold of which customers at the end of which months.
{customer_tests}

-- step: clawback_entries
-- Taken back in the month in which a customer is first lost: what was paid on it with that month
-- and some before.
SELECT o.plan_id, o.component, o.rank, o.role, o.payee, 'month' AS per, p.period, p.period_from,
       p.period_to, p.paid_month, o.currency, o.unit AS detail, o.unit, -sum(o.earned) AS earned
FROM plan_components AS k
JOIN plan_trees AS r ON r.plan_id = k.plan_id AND r.rule_id = k.clawback_rule
JOIN customer_tests AS t ON t.tree_no = r.tree_no
LEFT JOIN customer_tests AS b
  ON b.tree_no = r.tree_no AND b.customer = t.customer
 AND b.month = t.month - INTERVAL 1 MONTH
JOIN periods AS p
  ON p.calendar = '1@1' AND p.period_from = t.month
 AND p.paid_month < DATE '{paid_to}'
JOIN component_earnings AS o
  ON o.plan_id = k.plan_id AND o.component = k.rule_id
 AND o.unit = t.customer
 AND o.paid_month <= t.month AND o.paid_month >= t.month - to_months(k.clawback_months)
WHERE b.customer IS NULL
GROUP BY o.plan_id, o.component, o.rank, o.role, o.payee, p.period, p.period_from, p.period_to,
         p.paid_month, o.currency, o.unit
HAVING sum(o.earned) <> 0

-- step: earnings
-- All that is earned: by itself, and the entries that other clauses make beside it. A statement's
-- line is the sum of its rows.
WITH entries AS (
  SELECT l.plan_id, l.component, l.rank, l.role, l.payee, l.per, l.period, l.period_from,
         l.period_to, l.paid_month, l.currency, e.reason, e.step_no, e.detail, e.earned
  FROM (SELECT plan_id, component, payee, period, 'gate' AS reason, 1 AS step_no, detail, earned
        FROM gate_entries
        UNION ALL
        SELECT plan_id, component, payee, period, 'less', 2, detail, earned
        FROM less_entries
        UNION ALL
        SELECT plan_id, component, payee, period, 'beaten', 3, detail, earned
        FROM best_entries) AS e
  JOIN component_lines AS l
    ON l.plan_id = e.plan_id AND l.component = e.component
   AND l.payee = e.payee AND l.period = e.period)
SELECT plan_id, component, rank, role, payee, unit, per, period, period_from, period_to, paid_month,
       currency, 0 AS step_no, reason, coalesce(gate, times_words) AS detail,
       amount, target, compared, base, measure, reference, pays_on, reads_by, portion, table_id,
       table_from, uncapped, divisor, cap, earned
FROM component_earnings
UNION ALL BY NAME
SELECT plan_id, component, rank, role, payee, '' AS unit, per, period, period_from, period_to,
       paid_month, currency, step_no, reason, detail, earned
FROM entries
WHERE earned <> 0
UNION ALL BY NAME
SELECT plan_id, component, rank, role, payee, '' AS unit, per, period, period_from, period_to,
       paid_month, currency, 4 AS step_no, 'ceiling' AS reason, detail, earned
FROM ceiling_entries
UNION ALL BY NAME
SELECT plan_id, component, rank, role, payee, '' AS unit, per, period, period_from, period_to,
       paid_month, currency, 5 AS step_no, 'override' AS reason, detail,
       CAST(base AS {measure}) AS base, earned
FROM override_entries
UNION ALL BY NAME
SELECT plan_id, component, rank, role, payee, unit, per, period, period_from, period_to, paid_month,
       currency, 6 AS step_no, 'clawback' AS reason, detail, earned
FROM clawback_entries
ORDER BY plan_id, payee, rank, period_from, unit, step_no
