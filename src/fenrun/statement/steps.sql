-- step: statement_lines
-- One line an earning, in the statement of the month in which its period ends.
SELECT plan_id || '/' || component || '/' || period || '/' || payee AS line_id, paid_month AS month, payee, role, currency, plan_id, component, rank, per, period,
       amount AS measured, earned, reason
FROM earnings

-- step: statement_credits
-- What each payee is credited a month, by role.
SELECT plan_id, month, party AS payee, role, kind, sum(amount) AS credited, sum(charges) AS charges
FROM credits
WHERE month >= DATE '{paid_from}' AND month < DATE '{paid_to}'
GROUP BY plan_id, month, party, role, kind

-- step: statements
-- One row a payee, role and month: credited and earned.
SELECT coalesce(c.plan_id, e.plan_id) AS plan_id, coalesce(c.month, e.month) AS month, coalesce(c.payee, e.payee) AS payee, coalesce(c.role, e.role) AS role,
       coalesce(c.credited, 0) AS credited, coalesce(e.earned, 0) AS earned, coalesce(e.lines, 0) AS lines
FROM (SELECT plan_id, month, payee, role, sum(credited) AS credited FROM statement_credits GROUP BY plan_id, month, payee, role) AS c
FULL JOIN (SELECT plan_id, month, payee, role, sum(earned) AS earned, count(*) AS lines FROM statement_lines GROUP BY plan_id, month, payee, role) AS e
  ON e.plan_id = c.plan_id AND e.month = c.month AND e.payee = c.payee AND e.role = c.role
ORDER BY 1, 2, 3, 4

-- step: ledger
-- The month's total in the plan's basis: credited to somebody, or to nobody.
SELECT g.month, sum(g.amount) AS total, sum(g.amount * coalesce(v.share, 0)) AS credited, sum(g.amount * (1 - coalesce(v.share, 0))) AS uncredited, sum(g.charges) AS charges
FROM groups AS g
LEFT JOIN (SELECT group_id, max(share) AS share FROM coverage GROUP BY group_id) AS v ON v.group_id = g.group_id
WHERE g.currency = '{currency}' AND g.month >= DATE '{paid_from}' AND g.month < DATE '{paid_to}'
GROUP BY g.month
ORDER BY g.month
