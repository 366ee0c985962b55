-- step: payables
-- Each earning cut into its instalments, with the month in which each is due.
-- Earlier instalments are rounded down, the last takes the rest.
SELECT e.plan, e.payee, e.component, e.period, e.unit, e.step_no, {purse} AS purse,
       coalesce(p.instalment_no, 0) AS instalment_no,
       e.last_month + coalesce(p.months, 0) AS due_month,
       CASE WHEN coalesce(p.upto, {whole_share}) = {whole_share} THEN e.earned
            ELSE whole(times(e.earned, times(p.upto, z.round_per)), {cut}) * z.round_step END
       - whole(times(e.earned, times(coalesce(p.before, 0), z.round_per)), {cut})
         * z.round_step AS amount
FROM earnings AS e
JOIN terms AS z ON z.plan = e.plan
JOIN pay AS y ON y.plan = e.plan{paid_apart}
LEFT JOIN instalments AS p ON p.plan = e.plan AND p.purse = {purse}

-- step: held_back
-- What is earned in a month and due later (above zero), and what falls due of earlier months
-- (below).
SELECT a.plan, a.payee, e.last_month AS month, a.amount
FROM payables AS a
JOIN earnings AS e
  ON e.plan = a.plan AND e.payee = a.payee AND e.component = a.component
 AND e.period = a.period AND e.unit = a.unit AND e.step_no = a.step_no
WHERE a.due_month > e.last_month
UNION ALL
SELECT a.plan, a.payee, a.due_month, -a.amount
FROM payables AS a
JOIN earnings AS e
  ON e.plan = a.plan AND e.payee = a.payee AND e.component = a.component
 AND e.period = a.period AND e.unit = a.unit AND e.step_no = a.step_no
WHERE a.due_month > e.last_month

-- step: released
-- The instalments with the first month, from the due one on, in which nothing freezes them.
WITH frozen AS (
  SELECT y.plan, t.unit, t.month
  FROM pay AS y
  JOIN unit_tests AS t ON t.test = y.freeze_test)
SELECT a.plan, a.payee, a.component, a.period, a.unit, a.step_no, a.purse, a.instalment_no,
       a.due_month, a.amount, min(m.first_month) AS month
FROM payables AS a
JOIN periods AS m
  ON m.calendar = '1@1' AND m.first_month >= a.due_month AND m.last_month < {paid_to}
LEFT JOIN frozen AS f
  ON f.plan = a.plan AND f.unit = a.unit AND f.month = m.first_month
WHERE f.unit IS NULL
GROUP BY a.plan, a.payee, a.component, a.period, a.unit, a.step_no, a.purse, a.instalment_no,
         a.due_month, a.amount

-- step: waiting
-- What is due by the end of the period and not paid, since something freezes it.
SELECT a.plan, a.payee, a.component, a.unit, sum(a.amount) AS amount
FROM payables AS a
LEFT JOIN released AS r
  ON r.plan = a.plan AND r.payee = a.payee AND r.component = a.component AND r.period = a.period
 AND r.unit = a.unit AND r.step_no = a.step_no AND r.instalment_no = a.instalment_no
WHERE r.plan IS NULL AND a.due_month < {paid_to}
GROUP BY a.plan, a.payee, a.component, a.unit
HAVING sum(a.amount) <> 0

-- step: dues
-- The amount due to each payee month by month, from its first to the last asked for; apart what is
-- paid apart.
SELECT p.plan, p.payee, p.purse, m.first_month AS month, coalesce(sum(r.amount), 0) AS due
FROM (
  SELECT plan, payee, purse, min(due_month) AS first_month
  FROM (SELECT plan, payee, purse, due_month FROM payables{payees_in_scope}) AS due_months
  GROUP BY plan, payee, purse) AS p
JOIN periods AS m
  ON m.calendar = '1@1' AND m.first_month >= p.first_month AND m.last_month < {paid_to}
LEFT JOIN released AS r
  ON r.plan = p.plan AND r.payee = p.payee AND r.purse = p.purse AND r.month = m.first_month
GROUP BY p.plan, p.payee, p.purse, m.first_month

-- step: payments
-- What is paid out, by form; a plan that says nothing about it pays what is earned, at once.
WITH split AS (
  SELECT o.plan, o.payee, o.month, coalesce(f.form_no, 0) AS form_no, f.form, f.floor, f.otherwise,
         CASE WHEN coalesce(f.upto, {whole_share}) = {whole_share} THEN o.paid
              ELSE whole(times(o.paid, times(f.upto, z.round_per)), {cut}) * z.round_step END
         - whole(times(o.paid, times(coalesce(f.before, 0), z.round_per)), {cut})
           * z.round_step AS amount
  FROM payouts AS o
  JOIN terms AS z ON z.plan = o.plan
  LEFT JOIN forms AS f ON f.plan = o.plan),
formed AS (
  SELECT plan, payee, month,
         CASE WHEN form IS NULL THEN {cash}
              WHEN amount < floor THEN otherwise
              ELSE form END AS form,
         sum(amount) AS amount
  FROM split
  GROUP BY 1, 2, 3, 4),
taxed AS (
  SELECT f.*, y.tax_included,
         coalesce(whole(times(a.amount, {tax_lift}), {tax_cut}),
                  whole(times(b.amount, {tax_lift}), {tax_cut}), y.tax_added) AS tax_added,
         z.round_mode, z.round_per, z.round_step
  FROM formed AS f
  JOIN pay AS y ON y.plan = f.plan
  JOIN terms AS z ON z.plan = f.plan
  LEFT JOIN periods AS m ON m.calendar = '1@1' AND m.first_month = f.month
  LEFT JOIN figures AS a
    ON a.party = f.payee AND a.figure = y.tax_figure AND a.period = m.period AND a.currency = 0
  LEFT JOIN tax_years AS n ON n.month = f.month
  LEFT JOIN figures AS b
    ON b.party = f.payee AND b.figure = y.tax_figure AND b.period = n.year AND b.currency = 0),
quotients AS (
  SELECT t.*,
         times(times(t.amount, {whole_tax} + t.tax_added), t.round_per) AS top,
         times({whole_tax} + t.tax_included, {money}) AS bottom
  FROM taxed AS t)
SELECT plan, payee, month, form, amount,
       CASE WHEN tax_included = 0 AND tax_added = 0 THEN amount
            ELSE rounded(top, bottom, round_mode, round_step) END AS paid
FROM quotients
WHERE amount <> 0
UNION ALL
SELECT e.plan, e.payee, e.last_month, {cash}, sum(e.earned), sum(e.earned)
FROM earnings AS e
WHERE NOT EXISTS (SELECT 1 FROM pay AS y WHERE y.plan = e.plan) AND e.last_month >= {paid_from}
GROUP BY e.plan, e.payee, e.last_month
HAVING sum(e.earned) <> 0

-- step: exchanges
-- The payments that are made in another currency than the plan's, by the rate of their month or of
-- its last day, each rounded once. Without a rate nothing is paid.
WITH paid_in AS (
  SELECT p.plan, p.payee, p.month, p.form, p.paid AS amount, m.period_to - 1 AS day, y.paid_on,
         z.currency AS own_currency, z.round_mode,
         CASE WHEN y.paid_in_label = 0 THEN y.paid_in ELSE coalesce(l.value, 0) END AS currency
  FROM payments AS p
  JOIN pay AS y ON y.plan = p.plan AND (y.paid_in <> 0 OR y.paid_in_label <> 0)
  JOIN terms AS z ON z.plan = p.plan
  JOIN periods AS m ON m.calendar = '1@1' AND m.first_month = p.month
  LEFT JOIN labels AS l
    ON l.party = p.payee AND l.label = y.paid_in_label
   AND l.valid_from < m.period_to AND m.period_to <= l.valid_to)
SELECT p.plan, p.payee, p.month, p.form, p.currency, r.rate, r.given_by, p.amount,
       rounded(times(times(p.amount, r.rate), c.round_per), times({money}, {one_rate}),
               p.round_mode, c.round_step) AS paid
FROM paid_in AS p
LEFT JOIN pay_currencies AS c ON c.currency = p.currency
LEFT JOIN rates AS r
  ON r.currency = p.own_currency AND r.to_currency = p.currency AND c.currency IS NOT NULL
 AND r.per = p.paid_on AND CASE p.paid_on WHEN 'day' THEN r.day = p.day ELSE r.month = p.month END
WHERE p.currency <> 0 AND p.currency <> p.own_currency
