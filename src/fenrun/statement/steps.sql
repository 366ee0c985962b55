-- step: statement_lines
-- One line a component, payee and period, in the statement of the month in which its period ends:
-- the sum of the rows of that earning.
SELECT plan_id || '/' || component || '/' || period || '/' || payee AS line_id,
       paid_month AS month, payee, min(role) AS role, currency, plan_id, component,
       min(rank) AS rank, per, period,
       coalesce(sum(amount), 0) AS measured,
       sum(earned) AS earned,
       CASE WHEN count(*) = 1 OR max(step_no) > 0 THEN max_by(reason, step_no)
            ELSE 'units' END AS reason,
       CASE WHEN count(*) = 1 OR max(step_no) > 0 THEN max_by(detail, step_no) END AS detail
FROM earnings
WHERE paid_month >= DATE '{paid_from}' AND paid_month < DATE '{paid_to}'
GROUP BY plan_id, component, period, payee, paid_month, currency, per

-- step: statement_credits
-- The amount credited to each payee a month, by role.
SELECT a.plan_id, c.month, c.payee, c.role, c.kind, c.credited, c.charges
FROM (
  SELECT plan_id, month, party AS payee, role, kind,
         sum(amount) AS credited, sum(charges) AS charges
  FROM credits
  WHERE main AND month >= DATE '{paid_from}' AND month < DATE '{paid_to}'
  GROUP BY plan_id, month, party, role, kind) AS c
JOIN shared_crediting AS a ON a.crediting = c.plan_id

-- step: statements
-- One row a payee, role and month: credited and earned.
SELECT coalesce(c.plan_id, e.plan_id) AS plan_id,
       coalesce(c.month, e.month) AS month,
       coalesce(c.payee, e.payee) AS payee,
       coalesce(c.role, e.role) AS role,
       coalesce(c.credited, 0) AS credited,
       coalesce(e.earned, 0) AS earned,
       coalesce(e.lines, 0) AS lines
FROM (
  SELECT plan_id, month, payee, role, sum(credited) AS credited
  FROM statement_credits
  GROUP BY plan_id, month, payee, role) AS c
FULL JOIN (
  SELECT plan_id, month, payee, role, sum(earned) AS earned, count(*) AS lines
  FROM statement_lines
  GROUP BY plan_id, month, payee, role) AS e
  ON e.plan_id = c.plan_id AND e.month = c.month AND e.payee = c.payee AND e.role = c.role
ORDER BY 1, 2, 3, 4

-- step: ledger
-- The month's total in each plan's basis: credited to somebody, or to nobody.
SELECT a.plan_id, s.month, s.total, s.credited, s.uncredited, s.charges
FROM (
  SELECT p.plan_id, g.month,
         sum({plan_amount}) AS total,
         sum({plan_amount} * coalesce(v.share, 0)) AS credited,
         sum({plan_amount} * (1 - coalesce(v.share, 0))) AS uncredited,
         sum(g.charges) AS charges
  FROM groups AS g
  CROSS JOIN plan_crediting AS p
  LEFT JOIN coverage AS v ON v.plan_id = p.plan_id AND v.group_id = g.group_id
  WHERE g.currency = p.currency
    AND g.month >= DATE '{paid_from}' AND g.month < DATE '{paid_to}'
  GROUP BY p.plan_id, g.month) AS s
JOIN shared_crediting AS a ON a.crediting = s.plan_id
ORDER BY a.plan_id, s.month
