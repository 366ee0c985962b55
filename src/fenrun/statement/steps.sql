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

-- step: credited
-- What is credited to each payee a month, by role, customer and link, for every plan.
SELECT a.plan_id, c.month, c.payee, c.role, c.kind, c.customer, c.via, c.link_id, c.amount,
       c.charges
FROM (
  SELECT plan_id, month, party AS payee, role, kind, customer, via, link_id,
         sum(amount) AS amount, CAST(sum(charges) AS BIGINT) AS charges
  FROM credits
  WHERE main AND month >= DATE '{paid_from}' AND month < DATE '{paid_to}'
  GROUP BY plan_id, month, party, role, kind, customer, via, link_id) AS c
JOIN shared_crediting AS a ON a.crediting = c.plan_id

-- step: not_counted
-- What each component does not count of a payee's credits in the periods that it earns for, by
-- what excludes it: a clause, or the baseline.
SELECT l.plan_id, l.rule_id AS component, c.payee, coalesce(c.excluded_by, 'baseline') AS rule,
       sum(c.amount - c.counted) AS amount
FROM qualifying_amounts AS c
JOIN shared_measures AS l
  ON l.counted_plan = c.plan_id AND l.counted_component = c.component
JOIN (
  SELECT DISTINCT plan_id, component, payee, period_from, period_to
  FROM earnings
  WHERE step_no = 0
    AND paid_month >= DATE '{paid_from}' AND paid_month < DATE '{paid_to}') AS e
  ON e.plan_id = l.plan_id AND e.component = l.rule_id AND e.payee = c.payee
 AND e.period_from <= c.month AND c.month < e.period_to
GROUP BY l.plan_id, l.rule_id, c.payee, coalesce(c.excluded_by, 'baseline')
HAVING sum(c.amount - c.counted) <> 0

-- step: uncredited
-- What nobody is credited for, by month, account and reason, for every plan: all months that the
-- settlement looks at.
SELECT a.plan_id, u.month, u.issuer, u.account, u.reason, u.amount, u.charges
FROM (
  SELECT plan_id, month, issuer, account, reason, sum(amount) AS amount,
         CAST(sum(charges) AS BIGINT) AS charges
  FROM uncredited_groups
  GROUP BY plan_id, month, issuer, account, reason) AS u
JOIN shared_crediting AS a ON a.crediting = u.plan_id

-- step: team_credits
-- What of a member's credits is rolled up to a payee, for the plans that are credited.
SELECT l.party AS payee, d.party AS member, d.role, d.plan_id,
       sum(CAST(d.amount * l.share AS DECIMAL(38, {credit}))) AS amount
FROM credits AS d
JOIN plan_roll_ups AS u ON u.plan_id = d.plan_id AND u.rule_id = d.rule_id AND u.role = d.role
JOIN links AS l
  ON l.of_kind = 'party' AND l.subject = d.party AND l.role = u.to_role AND l.sound
 AND l.valid_from <= d.day AND d.day < l.valid_to
WHERE d.main AND d.month >= DATE '{paid_from}' AND d.month < DATE '{paid_to}'
GROUP BY l.party, d.party, d.role, d.plan_id

-- step: held_spend
-- To whom the spend of a customer is credited, by what, while a payee holds a role of the customer.
-- Who holds it by two links at once holds it once.
WITH direct AS (
  SELECT *, row_number() OVER () AS n
  FROM credits
  WHERE main AND kind = 'direct' AND month >= DATE '{paid_from}' AND month < DATE '{paid_to}'),
held AS (
  SELECT DISTINCT c.n, h.party AS payee
  FROM direct AS c
  JOIN links AS h
    ON h.of_kind = 'customer' AND h.subject = c.customer AND h.role = c.role
   AND h.valid_from <= c.day AND c.day < h.valid_to)
SELECT h.payee, c.role, c.customer, c.party, c.via, c.link_id, sum(c.amount) AS amount,
       CAST(sum(c.charges) AS BIGINT) AS charges
FROM direct AS c
JOIN held AS h ON h.n = c.n
GROUP BY h.payee, c.role, c.customer, c.party, c.via, c.link_id
