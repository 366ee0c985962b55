-- step: payables
-- Each earning cut into its instalments, with the month in which each is due.
-- Earlier instalments are rounded down, the last takes the rest.
WITH portions AS (
  SELECT plan_id, instalment_no, months,
         sum(share) OVER (PARTITION BY plan_id ORDER BY instalment_no) AS upto,
         sum(share) OVER (PARTITION BY plan_id ORDER BY instalment_no) - share AS before
  FROM plan_instalments)
SELECT e.plan_id, e.payee, e.component, e.period, e.unit, e.step_no,
       coalesce(p.instalment_no, 0) AS instalment_no,
       CAST(e.paid_month + to_months(coalesce(p.months, 0)) AS DATE) AS due_month,
       CAST(CASE WHEN coalesce(p.upto, 1) = 1 THEN CAST(e.earned AS {money})
                 ELSE CAST(trunc(e.earned * p.upto * z.round_per) * z.round_step AS {money}) END
            - CAST(trunc(e.earned * coalesce(p.before, 0) * z.round_per) * z.round_step
                   AS {money})
            AS {money}) AS amount
FROM earnings AS e
JOIN plan_terms AS z ON z.plan_id = e.plan_id
JOIN plan_pay AS y ON y.plan_id = e.plan_id
LEFT JOIN portions AS p ON p.plan_id = e.plan_id

-- step: held_back
-- What is earned in a month and due later (above zero), and what falls due of earlier months
-- (below).
WITH later AS (
  SELECT a.plan_id, a.payee, e.paid_month, a.due_month, a.amount
  FROM payables AS a
  JOIN earnings AS e
    ON e.plan_id = a.plan_id AND e.payee = a.payee AND e.component = a.component
   AND e.period = a.period AND e.unit = a.unit AND e.step_no = a.step_no
  WHERE a.due_month > e.paid_month)
SELECT plan_id, payee, paid_month AS month, amount FROM later
UNION ALL
SELECT plan_id, payee, due_month, -amount FROM later

-- step: frozen
-- Customers on whose spend nothing is paid, by month.
SELECT y.plan_id, t.customer, t.month
FROM plan_pay AS y
JOIN plan_trees AS r ON r.plan_id = y.plan_id AND r.rule_id = y.freeze_rule
JOIN customer_tests AS t ON t.tree_no = r.tree_no

-- step: released
-- The same instalments with the first month, from the due one on, in which nothing freezes them.
SELECT a.plan_id, a.payee, a.component, a.period, a.unit, a.step_no, a.instalment_no,
       a.due_month, a.amount, min(m.period_from) AS month
FROM payables AS a
JOIN periods AS m
  ON m.calendar = '1@1' AND m.period_from >= a.due_month AND m.paid_month < DATE '{paid_to}'
LEFT JOIN frozen AS f
  ON f.plan_id = a.plan_id AND f.customer = a.unit AND f.month = m.period_from
WHERE f.customer IS NULL
GROUP BY a.plan_id, a.payee, a.component, a.period, a.unit, a.step_no, a.instalment_no,
         a.due_month, a.amount

-- step: dues
-- The amount due to each payee month by month, from its first to the last asked for.
SELECT p.plan_id, p.payee, m.period_from AS month,
       row_number() OVER (PARTITION BY p.plan_id, p.payee ORDER BY m.period_from) AS month_no,
       coalesce(sum(r.amount), 0) AS due
FROM (
  SELECT plan_id, payee, min(due_month) AS first_month
  FROM payables
  GROUP BY plan_id, payee) AS p
JOIN periods AS m
  ON m.calendar = '1@1' AND m.period_from >= p.first_month AND m.paid_month < DATE '{paid_to}'
LEFT JOIN released AS r
  ON r.plan_id = p.plan_id AND r.payee = p.payee AND r.month = m.period_from
GROUP BY p.plan_id, p.payee, m.period_from

-- step: payouts
-- Month after month: what was carried and expires, what is drawn and recovered, what is paid and
-- what is carried on. From the inside out: x brings the month's due, draw and expiry to the row
-- before it; n nets them; d draws and recovers; p is what is owed; q pays it or not.
WITH RECURSIVE walk AS (
  SELECT plan_id, payee, CAST(NULL AS DATE) AS month, CAST(0 AS BIGINT) AS month_no,
         CAST(0 AS {money}) AS due, CAST(0 AS {money}) AS brought, CAST(0 AS {money}) AS expired,
         CAST(0 AS {money}) AS drawn, CAST(0 AS {money}) AS recovered,
         CAST(0 AS {money}) AS balance, CAST(0 AS {money}) AS paid,
         CAST(0 AS {money}) AS carried, CAST(0 AS BIGINT) AS empty_no
  FROM dues
  WHERE month_no = 1
  UNION ALL
  SELECT plan_id, payee, month, month_no, due, brought, expired, drawn, recovered,
         CAST(CASE WHEN recoverable THEN balance + drawn - recovered ELSE 0 END AS {money}),
         paid,
         CAST(owed - paid AS {money}),
         CASE WHEN owed = paid THEN month_no ELSE empty_no END
  FROM (
    SELECT p.*,
           CAST(CASE WHEN minimum IS NOT NULL AND owed < minimum THEN 0 ELSE owed END
                AS {money}) AS paid
    FROM (
      SELECT d.*, CAST(net + drawn - recovered AS {money}) AS owed
      FROM (
        SELECT n.*,
               CAST(CASE WHEN drawing AND draw > net THEN draw - net ELSE 0 END
                    AS {money}) AS drawn,
               CAST(CASE WHEN recoverable AND net > draw THEN least(balance, net - draw) ELSE 0 END
                    AS {money}) AS recovered
        FROM (
          SELECT x.*, CAST(brought - expired + due AS {money}) AS net
          FROM (
            SELECT w.plan_id, w.payee, m.month, m.month_no,
                   CAST(m.due AS {money}) AS due,
                   w.carried AS brought, w.balance, w.empty_no,
                   CAST(CASE WHEN m.month < z.valid_to THEN y.draw ELSE 0 * y.draw END
                        AS {money}) AS draw,
                   m.month < z.valid_to AS drawing, y.recoverable,
                   CAST(y.minimum AS {money}) AS minimum,
                   CAST(CASE WHEN y.expires > 0 AND m.month_no - y.expires > w.empty_no
                             THEN least(greatest(coalesce(CAST(o.due AS {money}), 0), 0),
                                        greatest(w.carried, 0))
                             ELSE 0 END
                        AS {money}) AS expired
            FROM walk AS w
            JOIN dues AS m
              ON m.plan_id = w.plan_id AND m.payee = w.payee AND m.month_no = w.month_no + 1
            JOIN plan_pay AS y ON y.plan_id = w.plan_id
            JOIN plan_terms AS z ON z.plan_id = w.plan_id
            LEFT JOIN dues AS o
              ON o.plan_id = w.plan_id AND o.payee = w.payee
             AND o.month_no = m.month_no - y.expires) AS x) AS n) AS d) AS p) AS q)
SELECT plan_id, payee, month, due, brought, expired, drawn, recovered, balance, paid, carried
FROM walk
WHERE month_no > 0

-- step: payments
-- What is paid out, by form; a plan that says nothing about it pays what is earned, at once.
WITH portions AS (
  SELECT plan_id, form_no, form, floor, otherwise,
         sum(share) OVER (PARTITION BY plan_id ORDER BY form_no) AS upto,
         sum(share) OVER (PARTITION BY plan_id ORDER BY form_no) - share AS before
  FROM plan_forms),
split AS (
  SELECT o.plan_id, o.payee, o.month, coalesce(f.form_no, 0) AS form_no, f.form,
         CAST(f.floor AS {money}) AS floor, f.otherwise,
         CAST(CASE WHEN coalesce(f.upto, 1) = 1 THEN CAST(o.paid AS {money})
                   ELSE CAST(trunc(o.paid * f.upto * z.round_per) * z.round_step AS {money}) END
              - CAST(trunc(o.paid * coalesce(f.before, 0) * z.round_per) * z.round_step
                     AS {money})
              AS {money}) AS amount
  FROM payouts AS o
  JOIN plan_terms AS z ON z.plan_id = o.plan_id
  LEFT JOIN portions AS f ON f.plan_id = o.plan_id),
formed AS (
  SELECT plan_id, payee, month,
         CASE WHEN form IS NULL THEN 'cash'
              WHEN amount < floor THEN otherwise
              ELSE form END AS form,
         sum(amount) AS amount
  FROM split
  GROUP BY 1, 2, 3, 4),
taxed AS (
  SELECT f.*, y.tax_included,
         coalesce(CAST(a.amount AS {tax}), CAST(b.amount AS {tax}), CAST(y.tax_added AS {tax}))
           AS tax_added,
         z.round_mode, z.round_per, z.round_step
  FROM formed AS f
  JOIN plan_pay AS y ON y.plan_id = f.plan_id
  JOIN plan_terms AS z ON z.plan_id = f.plan_id
  LEFT JOIN periods AS m ON m.calendar = '1@1' AND m.period_from = f.month
  LEFT JOIN figures AS a
    ON a.party = f.payee AND a.figure = y.tax_figure AND a.period = m.period AND a.currency = ''
  LEFT JOIN figures AS b
    ON b.party = f.payee AND b.figure = y.tax_figure AND b.period = left(m.period, 4)
   AND b.currency = ''),
quotients AS (
  SELECT t.*, {tax_top} AS top, {tax_bottom} AS bottom
  FROM taxed AS t)
SELECT plan_id, payee, month, form, amount,
       CASE WHEN tax_included = 0 AND tax_added = 0 THEN amount
            ELSE CAST({tax_rounded} * round_step AS {money}) END AS paid
FROM quotients
WHERE amount <> 0
UNION ALL
SELECT e.plan_id, e.payee, e.paid_month, 'cash',
       CAST(sum(e.earned) AS {money}), CAST(sum(e.earned) AS {money})
FROM earnings AS e
WHERE NOT EXISTS (SELECT 1 FROM plan_pay AS y WHERE y.plan_id = e.plan_id)
  AND e.paid_month >= DATE '{paid_from}'
GROUP BY e.plan_id, e.payee, e.paid_month
HAVING sum(e.earned) <> 0
