-- step: groups
-- Charges that must be credited alike, summed: by account, registered order, resource and
-- sub-account, month, day, currency and what conditions read of a charge. `turned` is the last day
-- on which something changed for the account, here each day.
SELECT row_number() OVER (ORDER BY account, sub_account, order_id, resource_id, month, day,
                          currency{keys}) AS group_id,
       account, sub_account, order_id, resource_id, month, day, day AS turned, currency{keys}{sums},
       min(CASE WHEN bought = 1 THEN day END) AS bought, count(*) AS charges
FROM charges
GROUP BY account, sub_account, order_id, resource_id, month, day, currency{keys}

-- view: groups_in_currency
-- The groups in the plans' currency, and those that are converted into it: each cost times the
-- rate.
{groups_in_currency}

-- step: situations
-- Groups for which the book and the clauses say the same: of one account, order, resource and
-- sub-account, between two days on which something changes. Credits are found once for each.
SELECT min(group_id) AS situation, account, sub_account, order_id, resource_id, turned,
       min(month) AS month, min(day) AS day{clause_keys}, min(bought) AS bought
FROM groups_in_currency
GROUP BY account, sub_account, order_id, resource_id, turned{month_key}{clause_keys}

-- step: situated
-- The groups, each with its situation.
SELECT s.situation, g.group_id, g.account, g.month, g.day{group_keys}{group_amounts}, g.charges
FROM groups_in_currency AS g
JOIN situations AS s
  ON s.account = g.account AND s.turned = g.turned
 AND coalesce(s.sub_account, 0) = coalesce(g.sub_account, 0)
 AND coalesce(s.order_id, 0) = coalesce(g.order_id, 0)
 AND coalesce(s.resource_id, 0) = coalesce(g.resource_id, 0){same_situation}

-- step: customers
-- The customer of each situation on its day: by its sub-account where the book names that, else by
-- its account.
WITH by_sub AS (
  SELECT s.situation, l.party, l.share, l.link, l.sound
  FROM situations AS s
  JOIN links AS l
    ON l.of_kind = 'sub-account' AND l.subject = s.sub_account
   AND l.valid_from <= s.day AND s.day < l.valid_to),
by_account AS (
  SELECT s.situation, l.party, l.share, l.link, l.sound
  FROM situations AS s
  JOIN links AS l
    ON l.of_kind = 'account' AND l.subject = s.account
   AND l.valid_from <= s.day AND s.day < l.valid_to
  WHERE NOT EXISTS (SELECT 1 FROM by_sub AS b WHERE b.situation = s.situation))
SELECT situation, party AS customer, share, link, sound FROM by_sub
UNION ALL
SELECT situation, party, share, link, sound FROM by_account

-- step: owned
-- Each situation with its customers; without a sound one, once with none.
SELECT row_number() OVER (ORDER BY s.situation, c.customer, c.link, c.share) AS owned_id,
       s.situation, s.account, s.order_id, s.resource_id, s.month, s.day{own_clause_keys},
       s.bought, c.customer, coalesce(c.share, {one_customer}) AS customer_share,
       c.link AS customer_link
FROM situations AS s
LEFT JOIN customers AS c ON c.situation = s.situation AND c.sound = 1

-- step: customer_since
-- The first day on which each customer was charged anything: a charge with any cost above zero.
SELECT customer, min(bought) AS day
FROM owned
WHERE bought IS NOT NULL AND customer IS NOT NULL
GROUP BY customer

-- step: purchases
-- The days on which each customer was charged anything: a charge with any cost above zero.
SELECT DISTINCT customer, bought AS day
FROM owned
WHERE bought IS NOT NULL AND customer IS NOT NULL

-- step: holders
-- Who holds which role for each owned situation: by its registered order where that names the role,
-- else by its resource, else by its customer.
WITH by_order AS (
  SELECT o.owned_id, l.role, l.party, l.share, l.link, l.sound, l.since, l.previous, l.type
  FROM owned AS o
  JOIN links AS l
    ON l.of_kind = 'order' AND l.subject = o.order_id
   AND l.valid_from <= o.day AND o.day < l.valid_to),
by_resource AS (
  SELECT o.owned_id, l.role, l.party, l.share, l.link, l.sound, l.since, l.previous, l.type
  FROM owned AS o
  JOIN links AS l
    ON l.of_kind = 'resource' AND l.subject = o.resource_id
   AND l.valid_from <= o.day AND o.day < l.valid_to
  WHERE NOT EXISTS (SELECT 1 FROM by_order AS b WHERE b.owned_id = o.owned_id AND b.role = l.role)),
by_customer AS (
  SELECT o.owned_id, l.role, l.party, l.share, l.link, l.sound, l.since, l.previous, l.type
  FROM owned AS o
  JOIN links AS l
    ON l.of_kind = 'customer' AND l.subject = o.customer
   AND l.valid_from <= o.day AND o.day < l.valid_to
  WHERE NOT EXISTS (SELECT 1 FROM by_order AS b WHERE b.owned_id = o.owned_id AND b.role = l.role)
    AND NOT EXISTS (SELECT 1 FROM by_resource AS b
                    WHERE b.owned_id = o.owned_id AND b.role = l.role))
SELECT owned_id, role, party, share, link, sound, since, previous, type, 'order' AS via
FROM by_order
UNION ALL
SELECT owned_id, role, party, share, link, sound, since, previous, type, 'resource'
FROM by_resource
UNION ALL
SELECT owned_id, role, party, share, link, sound, since, previous, type, 'customer'
FROM by_customer

-- step: attributes
-- Each owned situation with what conditions on the customer ask: f0, f1 ... hold or do not.
SELECT o.*{facts}
FROM owned AS o{fact_joins}

-- step: decided
-- The crediting clause of each owned situation: the first whose condition holds.
{decided}

-- step: first_purchases
-- The first day on which a customer was charged anything while a party held a role of it, by the
-- day since which it did.
SELECT o.customer, h.role, h.party, h.since, min(o.bought) AS day
FROM owned AS o
JOIN holders AS h ON h.owned_id = o.owned_id
WHERE o.bought IS NOT NULL AND o.customer IS NOT NULL
GROUP BY o.customer, h.role, h.party, h.since

-- step: claims
-- Every role that the deciding clause credits and somebody holds, with what conditions on credits
-- ask besides: g0, g1 ...
SELECT d.*, r.mode, r.role, r.role_rank, h.party, d.customer_share * h.share AS share, h.link,
       h.via, h.sound{link_facts}
FROM decided AS d
JOIN clause_roles AS r ON r.plan = d.plan AND r.clause = d.clause
JOIN holders AS h ON h.owned_id = d.owned_id AND h.role = r.role{link_joins}

-- step: open_claims
-- The claims whose clause credits their link, inside its windows.
SELECT c.*
FROM claims AS c
WHERE {open}

-- step: winning_roles
-- Under single crediting, the role that takes each owned situation.
SELECT plan, owned_id, min(role_rank) AS role_rank
FROM open_claims
WHERE mode = 'single'
GROUP BY plan, owned_id

-- step: direct
-- The claims that are credited: the share of what is charged in their situation.
SELECT c.plan, c.clause, 'direct' AS kind, c.role, c.party, c.owned_id, c.situation, c.customer,
       c.day, c.share * {lift} AS share, c.customer_link, c.link, c.via,
       CAST(NULL AS INTEGER) AS member, CAST(NULL AS INTEGER) AS member_role{facts_of_rules}
FROM open_claims AS c
LEFT JOIN winning_roles AS w ON w.plan = c.plan AND w.owned_id = c.owned_id
WHERE c.sound = 1 AND (c.mode = 'double' OR c.role_rank = w.role_rank)

-- step: credits
-- All credits: direct ones, and roll-ups to whoever holds a role of the credited party that day,
-- step by step.
WITH RECURSIVE rolled AS (
  SELECT * FROM direct
  UNION ALL
  SELECT d.plan, d.clause, 'roll-up', u.to_role, l.party, d.owned_id, d.situation, d.customer,
         d.day, whole(d.share, {one_party}) * l.share, d.customer_link, l.link, 'party', d.party,
         d.role{rolled_facts}
  FROM rolled AS d
  JOIN roll_ups AS u ON u.plan = d.plan AND u.clause = d.clause AND u.role = d.role
  JOIN links AS l
    ON l.of_kind = 'party' AND l.subject = d.party AND l.role = u.to_role AND l.sound = 1
   AND l.valid_from <= d.day AND d.day < l.valid_to)
SELECT * FROM rolled

-- step: credited_sums
-- What is credited to each party in the months asked for, by role, customer and link.
SELECT c.plan, g.month, c.party AS payee, c.role, c.kind, c.customer, c.via, c.link,
       sum({main_amount} * c.share) AS amount, sum(g.charges) AS charges
FROM credits AS c
JOIN situated AS g ON g.situation = c.situation
WHERE g.month >= {asked_from} AND g.month < {asked_to}
GROUP BY c.plan, g.month, c.party, c.role, c.kind, c.customer, c.via, c.link

-- step: team_sums
-- What of a member's credits is rolled up to a payee in the months asked for.
SELECT c.plan, g.month, c.party AS payee, c.member, c.member_role AS role,
       sum({main_amount} * c.share) AS amount, sum(g.charges) AS charges
FROM credits AS c
JOIN situated AS g ON g.situation = c.situation
WHERE c.kind = 'roll-up' AND g.month >= {asked_from} AND g.month < {asked_to}
GROUP BY c.plan, g.month, c.party, c.member, c.member_role

-- step: held_sums
-- Spend of a customer in the months asked for, for whoever holds a role of it that day: to whom it
-- is credited. Who holds it by two links at once holds it once.
SELECT g.month, h.party AS payee, c.role, c.customer, c.party, c.via, c.link,
       sum({main_amount} * c.share) AS amount, sum(g.charges) AS charges
FROM direct AS c
JOIN (SELECT DISTINCT d.owned_id, d.role, l.party
      FROM direct AS d
      JOIN links_as_of AS l
        ON l.of_kind = 'customer' AND l.subject = d.customer AND l.role = d.role
       AND l.valid_from <= d.day AND d.day < l.valid_to) AS h
  ON h.owned_id = c.owned_id AND h.role = c.role
JOIN situated AS g ON g.situation = c.situation
WHERE g.month >= {asked_from} AND g.month < {asked_to}
GROUP BY g.month, h.party, c.role, c.customer, c.party, c.via, c.link

-- step: performance_measures
-- What each component measures, by payee, unit, customer and month, told apart by table column,
-- what excludes it and whether a baseline is set against it.
{performance_measures}

-- step: coverage
-- How much of each situation the best credited role covers, plan by plan.
SELECT plan, situation, max(share) AS share
FROM (SELECT plan, situation, role, sum(share) AS share
      FROM direct
      GROUP BY plan, situation, role) AS roles
GROUP BY plan, situation

-- step: uncredited_situations
-- The share of each situation that is left, why, and of which customer: of several, one.
WITH short AS (
  SELECT p.plan, s.situation, {one} - coalesce(v.share, 0) AS share,
         CASE WHEN v.share IS NULL THEN 0 ELSE 1 END AS in_part
  FROM situations AS s
  CROSS JOIN creditings AS p
  LEFT JOIN coverage AS v ON v.plan = p.plan AND v.situation = s.situation
  WHERE coalesce(v.share, 0) < {one}),
owners AS (
  SELECT situation, min(sound) AS sound, min(customer) AS customer
  FROM customers
  GROUP BY situation),
tried AS (
  SELECT DISTINCT plan, situation FROM claims),
clashing AS (
  SELECT DISTINCT plan, situation FROM open_claims WHERE sound = 0)
SELECT s.plan, s.situation, s.share,
       CASE WHEN s.in_part = 1 THEN 'rest'
            WHEN o.situation IS NULL THEN 'no-customer'
            WHEN o.sound = 0 OR x.situation IS NOT NULL THEN 'conflict'
            WHEN t.situation IS NOT NULL THEN 'window'
            ELSE 'nobody' END AS reason,
       o.customer
FROM short AS s
LEFT JOIN owners AS o ON o.situation = s.situation
LEFT JOIN tried AS t ON t.plan = s.plan AND t.situation = s.situation
LEFT JOIN clashing AS x ON x.plan = s.plan AND x.situation = s.situation

-- step: uncredited_sums
-- What nobody is credited for, by account, customer, month and reason.
SELECT c.plan, g.month, g.account, c.customer, c.reason, sum({main_amount} * c.share) AS amount,
       sum(g.charges) AS charges
FROM uncredited_situations AS c
JOIN situated AS g ON g.situation = c.situation
GROUP BY c.plan, g.month, g.account, c.customer, c.reason

-- step: charged_sums
-- What is charged in a month in each plan's basis, and what of it is credited to somebody.
SELECT c.plan, g.month, sum({main_amount}) * {one} AS total,
       sum({main_amount} * coalesce(v.share, 0)) AS credited, sum(g.charges) AS charges
FROM situated AS g
CROSS JOIN creditings AS c
LEFT JOIN coverage AS v ON v.plan = c.plan AND v.situation = g.situation
GROUP BY c.plan, g.month

-- step: foreign_sums
-- What is charged in a month in other currencies than the plans', and not converted: of those that
-- are to be by the rate of a day, on which.
{foreign_sums}

-- step: lacking_sums
-- How many charges of an account have no cost in a basis.
{lacking_sums}

-- view: credited
-- What is credited, under each plan.
SELECT s.plan, c.month, c.payee, c.role, c.kind, c.customer, c.via, c.link, c.amount, c.charges
FROM credited_sums AS c
JOIN shared_crediting AS s ON s.crediting = c.plan

-- step: team_credits
-- What of a member's credits is rolled up to a payee.
SELECT payee, member, role, plan, sum(amount) AS amount
FROM team_sums
GROUP BY payee, member, role, plan

-- step: held_spend
-- Spend of a customer for whoever holds a role of it.
SELECT {currency} AS currency, payee, role, customer, party, via, link, sum(amount) AS amount,
       sum(charges) AS charges
FROM held_sums
GROUP BY payee, role, customer, party, via, link

-- step: uncredited
-- What nobody is credited for, under each plan.
SELECT s.plan, u.month, u.account, u.reason, sum(u.amount) AS amount, sum(u.charges) AS charges
FROM uncredited_sums AS u
JOIN shared_crediting AS s ON s.crediting = u.plan
GROUP BY s.plan, u.month, u.account, u.reason

-- step: ledger
-- The month's total in each plan's basis: credited to somebody, or to nobody.
SELECT s.plan, c.month, c.total, c.credited, c.total - c.credited AS uncredited, c.charges
FROM charged_sums AS c
JOIN shared_crediting AS s ON s.crediting = c.plan
WHERE c.month >= {asked_from} AND c.month < {asked_to}
