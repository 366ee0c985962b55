-- step: statement_lines
-- One line a component, payee and period, in the statement of the month in which its period ends:
-- the sum of the rows of that earning.
SELECT plan, component, payee, last_month AS month, min(role) AS role, currency, min(rank) AS rank,
       per, period, coalesce(sum(amount), 0) AS measured, sum(earned) AS earned,
       CASE WHEN count(*) = 1 OR max(step_no) > 0 THEN max_by(reason, step_no)
            ELSE 'units' END AS reason,
       CASE WHEN count(*) = 1 OR max(step_no) > 0 THEN max_by(detail, step_no) END AS detail,
       CASE WHEN count(*) = 1 OR max(step_no) > 0 THEN max_by(others, step_no) END AS others,
       CASE WHEN count(*) = 1 OR max(step_no) > 0 THEN max_by(bound, step_no) END AS bound
FROM earnings
WHERE last_month >= {asked_from} AND last_month < {asked_to}
GROUP BY plan, component, period, payee, last_month, currency, per

-- view: statement_lines
-- The same where no line has a second row: each stands for itself.
SELECT plan, component, payee, last_month AS month, role, currency, rank, per, period,
       coalesce(amount, 0) AS measured, earned, reason, detail, others, bound
FROM earnings
WHERE last_month >= {asked_from} AND last_month < {asked_to}

-- step: statement_credits
-- The amount credited to each payee a month, by role: summed once for plans that credit alike.
SELECT s.plan, c.month, c.payee, c.role, c.kind, c.credited, c.charges
FROM (SELECT plan, month, payee, role, kind, sum(amount) AS credited, sum(charges) AS charges
      FROM credited_sums
      GROUP BY plan, month, payee, role, kind) AS c
JOIN shared_crediting AS s ON s.crediting = c.plan

-- step: statements
-- One row a payee, role and month: credited and earned.
SELECT plan, month, payee, role, sum(credited) AS credited, sum(earned) AS earned,
       sum(lines) AS lines
FROM (
  SELECT plan, month, payee, role, credited, 0 AS earned, 0 AS lines FROM statement_credits
  UNION ALL
  SELECT plan, month, payee, role, 0, earned, 1 FROM statement_lines) AS found
GROUP BY plan, month, payee, role
