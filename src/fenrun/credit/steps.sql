-- view: charge_lines
-- One row a charge: whose account, which order, when, how much in the plan's basis, and what conditions read.
SELECT import_id, row_no, InvoiceIssuerName AS issuer, BillingAccountId AS account, {sub_account} AS sub_account, {order_id} AS order_id,
       CAST(date_trunc('month', BillingPeriodStart + INTERVAL 1 DAY) AS DATE) AS month,
       CAST(ChargePeriodStart + {offset} AS DATE) AS day,
       BillingCurrency AS currency, {basis} AS amount{columns}
FROM charges
WHERE BillingPeriodStart >= TIMESTAMP '{from}' - INTERVAL 1 DAY AND BillingPeriodStart < TIMESTAMP '{to}' - INTERVAL 1 DAY

-- step: registered
-- The orders and sub-accounts that the book names; no other is told apart.
SELECT DISTINCT of_kind, issuer, subject FROM links WHERE of_kind IN ('order', 'sub-account')

-- view: told_apart
-- The charges with only those orders and sub-accounts that matter.
SELECT c.import_id, c.row_no, c.issuer, c.account, s.subject AS sub_account, o.subject AS order_id, c.month, c.day, c.currency, c.amount{keys}
FROM charge_lines AS c
LEFT JOIN registered AS s ON s.of_kind = 'sub-account' AND s.issuer = c.issuer AND s.subject = c.sub_account
LEFT JOIN registered AS o ON o.of_kind = 'order' AND o.issuer = c.issuer AND o.subject = c.order_id

-- step: groups
-- Charges that must be credited alike, summed: exact, since shares are never rounded.
SELECT row_number() OVER (ORDER BY issuer, account, sub_account, order_id, month, day, currency{keys}) AS group_id,
       issuer, account, sub_account, order_id, month, day, currency{keys},
       coalesce(sum(amount), 0) AS amount, count(*) AS charges, count(*) - count(amount) AS lacking
FROM told_apart
GROUP BY issuer, account, sub_account, order_id, month, day, currency{keys}

-- step: customers
-- The customer of each group on its day: by its sub-account where the book names that, else by its account.
WITH by_sub AS (
  SELECT g.group_id, l.party, l.share, l.link_id, l.sound
  FROM groups AS g
  JOIN links AS l ON l.of_kind = 'sub-account' AND l.issuer = g.issuer AND l.subject = g.sub_account
                 AND l.valid_from <= g.day AND g.day < l.valid_to),
by_account AS (
  SELECT g.group_id, l.party, l.share, l.link_id, l.sound
  FROM groups AS g
  JOIN links AS l ON l.of_kind = 'account' AND l.issuer = g.issuer AND l.subject = g.account
                 AND l.valid_from <= g.day AND g.day < l.valid_to
  WHERE NOT EXISTS (SELECT 1 FROM by_sub AS s WHERE s.group_id = g.group_id))
SELECT group_id, party AS customer, share, link_id, sound FROM by_sub
UNION ALL
SELECT group_id, party AS customer, share, link_id, sound FROM by_account

-- step: owned
-- Each group with its customers; without a sound one, once with none.
SELECT row_number() OVER (ORDER BY g.group_id, c.customer, c.link_id, c.share) AS owned_id, g.group_id, g.issuer, g.account, g.order_id, g.month, g.day,
       g.amount, g.charges{group_keys}, c.customer, coalesce(c.share, 1) AS customer_share, c.link_id AS customer_link
FROM groups AS g
LEFT JOIN customers AS c ON c.group_id = g.group_id AND c.sound
WHERE g.currency = '{currency}'

-- step: dims
-- What conditions read, for each owned group: equal readings share a segment.
SELECT o.owned_id{dims}, {segment} AS segment_id
FROM owned AS o{label_joins}

-- step: segments
-- Each distinct reading once.
SELECT DISTINCT segment_id{dim_names} FROM dims

-- step: matches
-- Which rules hold in which segments.
{matches}

-- step: decided
-- The crediting clause of each segment: the first that holds.
SELECT m.plan_id, m.segment_id, min_by(c.rule_id, c.rank) AS rule_id
FROM matches AS m
JOIN plan_credit_clauses AS c ON c.plan_id = m.plan_id AND c.rule_id = m.rule_id
GROUP BY m.plan_id, m.segment_id

-- step: holders
-- Who holds which role for each owned group: by its registered order where that names the role, else by its customer.
WITH by_order AS (
  SELECT o.owned_id, l.role, l.party, l.share, l.link_id, l.sound
  FROM owned AS o
  JOIN links AS l ON l.of_kind = 'order' AND l.issuer = o.issuer AND l.subject = o.order_id
                 AND l.valid_from <= o.day AND o.day < l.valid_to),
by_customer AS (
  SELECT o.owned_id, l.role, l.party, l.share, l.link_id, l.sound
  FROM owned AS o
  JOIN links AS l ON l.of_kind = 'customer' AND l.subject = o.customer
                 AND l.valid_from <= o.day AND o.day < l.valid_to
  WHERE NOT EXISTS (SELECT 1 FROM by_order AS b WHERE b.owned_id = o.owned_id AND b.role = l.role))
SELECT owned_id, role, party, share, link_id, sound, 'order' AS via FROM by_order
UNION ALL
SELECT owned_id, role, party, share, link_id, sound, 'customer' AS via FROM by_customer

-- step: claims
-- Every role that the deciding clause credits and somebody holds.
SELECT d.plan_id, d.rule_id, c.mode, r.role, r.role_rank, s.segment_id, o.owned_id, o.group_id, o.customer, o.month, o.day, o.amount, o.charges,
       h.party, CAST(o.customer_share * h.share AS DECIMAL(38, {direct_share})) AS share, o.customer_link, h.link_id, h.via, h.sound
FROM owned AS o
JOIN dims AS s ON s.owned_id = o.owned_id
JOIN decided AS d ON d.segment_id = s.segment_id
JOIN plan_credit_clauses AS c ON c.plan_id = d.plan_id AND c.rule_id = d.rule_id
JOIN plan_credit_roles AS r ON r.plan_id = d.plan_id AND r.rule_id = d.rule_id
JOIN holders AS h ON h.owned_id = o.owned_id AND h.role = r.role

-- step: taken
-- Under single crediting, the role that takes each owned group.
SELECT plan_id, owned_id, min(role_rank) AS role_rank
FROM claims
WHERE mode = 'single'
GROUP BY plan_id, owned_id

-- step: direct
-- The claims that are credited.
SELECT c.plan_id, c.rule_id, 'direct' AS kind, c.role, c.party, c.segment_id, c.owned_id, c.group_id, c.customer, c.month, c.day,
       c.share, c.amount * c.share AS amount, c.charges, c.customer_link, c.link_id, c.via
FROM claims AS c
LEFT JOIN taken AS t ON t.plan_id = c.plan_id AND t.owned_id = c.owned_id
WHERE c.sound AND (c.mode = 'double' OR c.role_rank = t.role_rank)

-- step: credits
-- All credits: direct ones, and roll-ups to whoever holds a role of the credited party that day.
-- Both arms are cast to one type: DuckDB would round silently to the fewer decimals of two 38-digit types.
SELECT plan_id, rule_id, kind, role, party, segment_id, owned_id, group_id, customer, month, day,
       CAST(share AS DECIMAL(38, {all_share})) AS share, CAST(amount AS DECIMAL(38, {credit})) AS amount, charges, customer_link, link_id, via
FROM direct
UNION ALL
SELECT d.plan_id, d.rule_id, 'roll-up', u.to_role, l.party, d.segment_id, d.owned_id, d.group_id, d.customer, d.month, d.day,
       CAST(d.share * l.share AS DECIMAL(38, {all_share})), CAST(d.amount * l.share AS DECIMAL(38, {credit})), d.charges, d.customer_link, l.link_id, 'party'
FROM direct AS d
JOIN plan_roll_ups AS u ON u.plan_id = d.plan_id AND u.rule_id = d.rule_id AND u.role = d.role
JOIN links AS l ON l.of_kind = 'party' AND l.subject = d.party AND l.role = u.to_role AND l.sound
               AND l.valid_from <= d.day AND d.day < l.valid_to

-- step: coverage
-- How much of each group the best credited role covers, plan by plan.
SELECT plan_id, group_id, max(share) AS share
FROM (SELECT plan_id, group_id, role, sum(share) AS share FROM direct GROUP BY plan_id, group_id, role) AS roles
GROUP BY plan_id, group_id

-- step: uncredited
-- What is left of each group, and why.
SELECT p.plan_id, g.group_id, g.issuer, g.account, g.month, g.amount * (1 - coalesce(v.share, 0)) AS amount, g.charges,
       CASE WHEN v.share IS NOT NULL THEN 'rest'
            WHEN NOT EXISTS (SELECT 1 FROM customers AS c WHERE c.group_id = g.group_id) THEN 'no-customer'
            WHEN EXISTS (SELECT 1 FROM customers AS c WHERE c.group_id = g.group_id AND NOT c.sound)
              OR EXISTS (SELECT 1 FROM claims AS c WHERE c.plan_id = p.plan_id AND c.group_id = g.group_id AND NOT c.sound) THEN 'conflict'
            ELSE 'nobody' END AS reason
FROM groups AS g
CROSS JOIN plan_terms AS p
LEFT JOIN coverage AS v ON v.plan_id = p.plan_id AND v.group_id = g.group_id
WHERE g.currency = p.currency AND coalesce(v.share, 0) < 1
