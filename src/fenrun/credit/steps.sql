-- view: plan_crediting
-- The plans that are credited; what they credit serves all that credit alike.
SELECT t.plan_id, t.basis, t.currency
FROM plan_terms AS t
JOIN shared_crediting AS a ON a.plan_id = t.plan_id AND a.crediting = t.plan_id

-- view: charge_lines
-- One row a charge: whose account, which order and resource, when, how much in each basis, and what
-- conditions and components read.
SELECT import_id, row_no, InvoiceIssuerName AS issuer, BillingAccountId AS account,
       {sub_account} AS sub_account, {order_id} AS order_id, {resource_id} AS resource_id,
       CAST(date_trunc('month', BillingPeriodStart + INTERVAL 1 DAY) AS DATE) AS month,
       {day} AS day,
       BillingCurrency AS currency, {correction} AS correction, {price} AS price,
       ChargePeriodStart AS started, {bought} AS bought, {amounts}{columns}
FROM {charges}
WHERE BillingPeriodStart >= TIMESTAMP '{from}' - INTERVAL 1 DAY
  AND BillingPeriodStart < TIMESTAMP '{to}' - INTERVAL 1 DAY

-- step: registered
-- The orders, resources and sub-accounts that the book names; no other is told apart.
SELECT DISTINCT of_kind, issuer, subject
FROM links
WHERE of_kind IN ('order', 'resource', 'sub-account')

-- step: distinguished_accounts
-- Accounts with charges of a registered order or resource.
SELECT p.issuer, p.account
FROM charge_lines AS p
JOIN registered AS o ON o.of_kind = 'order' AND o.issuer = p.issuer AND o.subject = p.order_id
UNION
SELECT p.issuer, p.account
FROM charge_lines AS p
JOIN registered AS r ON r.of_kind = 'resource' AND r.issuer = p.issuer AND r.subject = p.resource_id

-- step: corrections
-- What corrections of these accounts correct that name neither order nor resource.
SELECT DISTINCT c.issuer, c.account, c.price, c.started
FROM charge_lines AS c
JOIN distinguished_accounts AS a ON a.issuer = c.issuer AND a.account = c.account
WHERE c.correction AND c.order_id IS NULL AND c.resource_id IS NULL

-- step: corrected
-- The order and resource of these: those of the charges that they correct (same account, price and
-- start), where these are all told apart alike.
SELECT c.issuer, c.account, c.price, c.started, min(o.subject) AS order_id,
       min(r.subject) AS resource_id
FROM corrections AS c
JOIN charge_lines AS p
  ON p.issuer = c.issuer AND p.account = c.account AND p.price = c.price
 AND p.started = c.started AND NOT p.correction
LEFT JOIN registered AS o ON o.of_kind = 'order' AND o.issuer = p.issuer AND o.subject = p.order_id
LEFT JOIN registered AS r
  ON r.of_kind = 'resource' AND r.issuer = p.issuer
 AND r.subject = p.resource_id
GROUP BY c.issuer, c.account, c.price, c.started
HAVING min(coalesce(o.subject, '')) = max(coalesce(o.subject, ''))
  AND min(coalesce(r.subject, '')) = max(coalesce(r.subject, ''))

-- step: change_dates
-- Days within the window on which something changes for an account: a link or label of the account,
-- of its customers, of whoever holds a role of these, or of anybody above, as far as roll-ups go.
WITH RECURSIVE days AS (
  SELECT of_kind, issuer, subject, party, unnest([valid_from, valid_to]) AS day FROM links),
turning AS (
  SELECT * FROM days WHERE day > DATE '{low}' AND day < DATE '{high}'),
holding AS (
  SELECT DISTINCT subject AS customer, party FROM links WHERE of_kind = 'customer'),
uppers AS (
  SELECT DISTINCT subject, party FROM links WHERE of_kind = 'party'),
rising AS (
  SELECT DISTINCT party, party AS upper, 0 AS depth FROM holding
  UNION ALL
  SELECT a.party, u.party, a.depth + 1
  FROM rising AS a
  JOIN uppers AS u ON u.subject = a.upper
  WHERE a.depth < {depth}),
above AS (
  SELECT DISTINCT party, upper FROM rising),
of_party AS (
  SELECT party, unnest([valid_from, valid_to]) AS day FROM labels
  UNION
  SELECT subject, day FROM turning WHERE of_kind = 'party'),
of_customer AS (
  SELECT subject AS customer, day FROM turning WHERE of_kind = 'customer'
  UNION
  SELECT party, day FROM of_party
  UNION
  SELECT h.customer, p.day
  FROM of_party AS p
  JOIN above AS a ON a.upper = p.party
  JOIN holding AS h ON h.party = a.party)
SELECT issuer, subject AS account, day FROM turning WHERE of_kind = 'account' AND {merged}
UNION
SELECT l.issuer, l.subject, c.day
FROM of_customer AS c
JOIN links AS l ON l.of_kind = 'account' AND l.party = c.customer
WHERE c.day > DATE '{low}' AND c.day < DATE '{high}' AND {merged}

-- step: spans
-- Spans between them, in which any day stands for all.
SELECT issuer, account, day AS valid_from,
       lead(day, 1, DATE '{high}') OVER (PARTITION BY issuer, account ORDER BY day) AS valid_to
FROM change_dates

-- view: distinguished_charges
-- The charges with only those orders, resources and sub-accounts, and a day that stands for theirs:
-- their own where orders, resources or sub-accounts are told apart.
SELECT c.import_id, c.row_no, c.issuer, c.account, s.subject AS sub_account,
       coalesce(o.subject, k.order_id) AS order_id,
       coalesce(r.subject, k.resource_id) AS resource_id, c.month, c.day, {span} AS span,
       c.currency, c.bought{amount_names}{keys}
FROM charge_lines AS c
LEFT JOIN registered AS s
  ON s.of_kind = 'sub-account' AND s.issuer = c.issuer
 AND s.subject = c.sub_account
LEFT JOIN registered AS o ON o.of_kind = 'order' AND o.issuer = c.issuer AND o.subject = c.order_id
LEFT JOIN registered AS r
  ON r.of_kind = 'resource' AND r.issuer = c.issuer
 AND r.subject = c.resource_id
LEFT JOIN corrected AS k
  ON k.issuer = c.issuer AND k.account = c.account AND k.started = c.started
 AND k.price = CASE WHEN c.correction AND c.order_id IS NULL AND c.resource_id IS NULL
                     THEN c.price END{span_join}

-- step: groups
-- Charges that must be credited alike, summed: exact, since shares are never rounded.
SELECT row_number() OVER (ORDER BY issuer, account, sub_account, order_id, resource_id, month, span,
                          currency{keys}) AS group_id,
       issuer, account, sub_account, order_id, resource_id, month, span AS day,
       currency{keys}{sums}, min(CASE WHEN bought THEN day END) AS bought, count(*) AS charges
FROM distinguished_charges
GROUP BY issuer, account, sub_account, order_id, resource_id, month, span, currency{keys}

-- step: customers
-- The customer of each group on its day: by its sub-account where the book names that, else by its
-- account.
WITH by_sub AS (
  SELECT g.group_id, l.party, l.share, l.link_id, l.sound
  FROM groups AS g
  JOIN links AS l
    ON l.of_kind = 'sub-account' AND l.issuer = g.issuer AND l.subject = g.sub_account
   AND l.valid_from <= g.day AND g.day < l.valid_to),
by_account AS (
  SELECT g.group_id, l.party, l.share, l.link_id, l.sound
  FROM groups AS g
  JOIN links AS l
    ON l.of_kind = 'account' AND l.issuer = g.issuer AND l.subject = g.account
   AND l.valid_from <= g.day AND g.day < l.valid_to
  WHERE NOT EXISTS (SELECT 1 FROM by_sub AS s WHERE s.group_id = g.group_id))
SELECT group_id, party AS customer, share, link_id, sound FROM by_sub
UNION ALL
SELECT group_id, party AS customer, share, link_id, sound FROM by_account

-- step: owned
-- Each group with its customers; without a sound one, once with none.
SELECT row_number() OVER (ORDER BY g.group_id, c.customer, c.link_id, c.share) AS owned_id,
       g.group_id, g.issuer, g.account, g.order_id, g.resource_id, g.month, g.day,
       g.charges, g.bought{group_amounts}{group_keys}, c.customer,
       coalesce(c.share, 1) AS customer_share, c.link_id AS customer_link
FROM groups AS g
LEFT JOIN customers AS c ON c.group_id = g.group_id AND c.sound
WHERE g.currency = '{currency}'

-- step: customer_since
-- The first day on which each customer was charged anything: a charge with any cost above zero.
SELECT customer, min(bought) AS day
FROM owned
WHERE bought IS NOT NULL AND customer IS NOT NULL
GROUP BY customer

-- step: holders
-- Who holds which role for each owned group: by its registered order where that names the role,
-- else by its resource, else by its customer.
WITH by_order AS (
  SELECT o.owned_id, l.role, l.party, l.share, l.link_id, l.sound, l.since, l.previous, l.type
  FROM owned AS o
  JOIN links AS l
    ON l.of_kind = 'order' AND l.issuer = o.issuer AND l.subject = o.order_id
   AND l.valid_from <= o.day AND o.day < l.valid_to),
by_resource AS (
  SELECT o.owned_id, l.role, l.party, l.share, l.link_id, l.sound, l.since, l.previous, l.type
  FROM owned AS o
  JOIN links AS l
    ON l.of_kind = 'resource' AND l.issuer = o.issuer AND l.subject = o.resource_id
   AND l.valid_from <= o.day AND o.day < l.valid_to
  WHERE NOT EXISTS (SELECT 1 FROM by_order AS b WHERE b.owned_id = o.owned_id AND b.role = l.role)),
by_customer AS (
  SELECT o.owned_id, l.role, l.party, l.share, l.link_id, l.sound, l.since, l.previous, l.type
  FROM owned AS o
  JOIN links AS l
    ON l.of_kind = 'customer' AND l.subject = o.customer
   AND l.valid_from <= o.day AND o.day < l.valid_to
  WHERE NOT EXISTS (SELECT 1 FROM by_order AS b WHERE b.owned_id = o.owned_id AND b.role = l.role)
    AND NOT EXISTS (SELECT 1 FROM by_resource AS b
                    WHERE b.owned_id = o.owned_id AND b.role = l.role))
SELECT owned_id, role, party, share, link_id, sound, since, previous, type, 'order' AS via
FROM by_order
UNION ALL
SELECT owned_id, role, party, share, link_id, sound, since, previous, type, 'resource' AS via
FROM by_resource
UNION ALL
SELECT owned_id, role, party, share, link_id, sound, since, previous, type, 'customer' AS via
FROM by_customer

-- step: attributes
-- What conditions on charge and customer read, for each owned group: equal readings share a
-- segment.
SELECT o.owned_id{dims}, {segment} AS segment_id
FROM owned AS o{dim_joins}

-- step: segments
-- Each distinct reading once.
SELECT DISTINCT segment_id{dim_names} FROM attributes

-- step: segment_tests
-- Which conditions hold in which segments.
{segment_tests}

-- step: decided
-- The crediting clause of each segment: the first that holds.
SELECT c.plan_id, t.segment_id, min_by(c.rule_id, c.rank) AS rule_id
FROM plan_credit_clauses AS c
JOIN plan_crediting AS q ON q.plan_id = c.plan_id
JOIN plan_trees AS p ON p.plan_id = c.plan_id AND p.rule_id = c.rule_id
JOIN segment_tests AS t ON t.tree_no = p.tree_no
GROUP BY c.plan_id, t.segment_id

-- step: first_purchases
-- The first day on which a customer was charged anything while a party held a role of it, by the
-- day since which it did.
SELECT o.customer, h.role, h.party, h.since, min(o.bought) AS day
FROM owned AS o
JOIN holders AS h ON h.owned_id = o.owned_id
WHERE {first_purchases} AND o.bought IS NOT NULL AND o.customer IS NOT NULL
GROUP BY o.customer, h.role, h.party, h.since

-- view: claims
-- Every role that the deciding clause credits and somebody holds.
SELECT d.plan_id, d.rule_id, c.mode, c.while_rule, r.role, r.role_rank, s.segment_id, o.owned_id,
       o.group_id, o.customer, o.month, o.day, o.charges{owned_amounts},
       h.party, CAST(o.customer_share * h.share AS DECIMAL(38, {direct_share})) AS share,
       o.customer_link, h.link_id, h.via, h.sound, h.since, h.previous, h.type
FROM owned AS o
JOIN attributes AS s ON s.owned_id = o.owned_id
JOIN decided AS d ON d.segment_id = s.segment_id
JOIN plan_credit_clauses AS c ON c.plan_id = d.plan_id AND c.rule_id = d.rule_id
JOIN plan_credit_roles AS r ON r.plan_id = d.plan_id AND r.rule_id = d.rule_id
JOIN holders AS h ON h.owned_id = o.owned_id AND h.role = r.role

-- step: read_claims
-- The claims with what conditions on credits read: equal readings share a reading.
SELECT c.*{claim_dims}, {reading} AS reading_id
FROM claims AS c{claim_joins}

-- step: readings
-- Each distinct reading once, with its segment.
SELECT DISTINCT c.reading_id, c.segment_id{claim_dim_names}{segment_dim_names}
FROM read_claims AS c
JOIN segments AS s ON s.segment_id = c.segment_id

-- step: reading_tests
-- Which conditions hold in which readings.
{reading_tests}

-- step: rule_matches
-- Which rules on credits hold in which readings.
SELECT p.plan_id, p.rule_id, t.reading_id
FROM plan_trees AS p
JOIN reading_tests AS t ON t.tree_no = p.tree_no
WHERE p.about = 'credit'

-- step: open_claims
-- The claims whose clause credits their link: inside its windows.
SELECT c.*
FROM read_claims AS c
LEFT JOIN rule_matches AS h
  ON h.plan_id = c.plan_id AND h.rule_id = c.while_rule
 AND h.reading_id = c.reading_id
WHERE c.while_rule = '' OR h.reading_id IS NOT NULL

-- step: winning_roles
-- Under single crediting, the role that takes each owned group.
SELECT plan_id, owned_id, min(role_rank) AS role_rank
FROM open_claims
WHERE mode = 'single'
GROUP BY plan_id, owned_id

-- step: direct
-- The claims that are credited, once for each cost that the plan measures.
SELECT c.plan_id, c.rule_id, b.basis, b.main, 'direct' AS kind, c.role, c.party, c.reading_id,
       c.owned_id, c.group_id, c.customer, c.month, c.day,
       c.share, {claim_amount} * c.share AS amount, c.charges, c.customer_link, c.link_id, c.via
FROM open_claims AS c
JOIN plan_bases AS b ON b.plan_id = c.plan_id
LEFT JOIN winning_roles AS t ON t.plan_id = c.plan_id AND t.owned_id = c.owned_id
WHERE c.sound AND (c.mode = 'double' OR c.role_rank = t.role_rank)

-- step: credits
-- All credits: direct ones, and roll-ups to whoever holds a role of the credited party that day,
-- step by step.
-- All arms are cast to one type: DuckDB would round silently to the fewer decimals of two 38-digit
-- types.
WITH RECURSIVE rolled AS (
  SELECT plan_id, rule_id, basis, main, kind, role, party, reading_id, owned_id, group_id, customer,
         month, day,
         CAST(share AS DECIMAL(38, {all_share})) AS share,
           CAST(amount AS DECIMAL(38, {credit})) AS amount, charges, customer_link, link_id, via
  FROM direct
  UNION ALL
  SELECT d.plan_id, d.rule_id, d.basis, d.main, 'roll-up', u.to_role, l.party, d.reading_id,
         d.owned_id, d.group_id, d.customer, d.month, d.day,
         CAST(d.share * l.share AS DECIMAL(38, {all_share})),
           CAST(d.amount * l.share AS DECIMAL(38, {credit})), d.charges, d.customer_link, l.link_id,
           'party'
  FROM rolled AS d
  JOIN plan_roll_ups AS u ON u.plan_id = d.plan_id AND u.rule_id = d.rule_id AND u.role = d.role
  JOIN links AS l
    ON l.of_kind = 'party' AND l.subject = d.party AND l.role = u.to_role AND l.sound
   AND l.valid_from <= d.day AND d.day < l.valid_to)
SELECT * FROM rolled

-- step: coverage
-- How much of each group the best credited role covers, plan by plan.
SELECT plan_id, group_id, max(share) AS share
FROM (SELECT plan_id, group_id, role, sum(share) AS share
      FROM direct
      WHERE main
      GROUP BY plan_id, group_id, role) AS roles
GROUP BY plan_id, group_id

-- step: uncredited_groups
-- What is left of each group, and why.
WITH short AS (
  SELECT p.plan_id, g.group_id, g.issuer, g.account, g.month,
         {plan_amount} * (1 - coalesce(v.share, 0)) AS amount, g.charges,
         v.share IS NOT NULL AS in_part
  FROM groups AS g
  CROSS JOIN plan_crediting AS p
  LEFT JOIN coverage AS v ON v.plan_id = p.plan_id AND v.group_id = g.group_id
  WHERE g.currency = p.currency AND coalesce(v.share, 0) < 1),
owners AS (
  SELECT c.group_id, bool_and(c.sound) AS sound
  FROM customers AS c
  SEMI JOIN short AS s ON s.group_id = c.group_id
  GROUP BY c.group_id),
tried AS (
  SELECT DISTINCT c.plan_id, c.group_id
  FROM read_claims AS c
  SEMI JOIN short AS s ON s.plan_id = c.plan_id AND s.group_id = c.group_id),
clashing AS (
  SELECT DISTINCT plan_id, group_id FROM open_claims WHERE NOT sound)
SELECT s.plan_id, s.group_id, s.issuer, s.account, s.month, s.amount, s.charges,
       CASE WHEN s.in_part THEN 'rest'
            WHEN o.group_id IS NULL THEN 'no-customer'
            WHEN NOT o.sound OR x.group_id IS NOT NULL THEN 'conflict'
            WHEN t.group_id IS NOT NULL THEN 'window'
            ELSE 'nobody' END AS reason
FROM short AS s
LEFT JOIN owners AS o ON o.group_id = s.group_id
LEFT JOIN tried AS t ON t.plan_id = s.plan_id AND t.group_id = s.group_id
LEFT JOIN clashing AS x ON x.plan_id = s.plan_id AND x.group_id = s.group_id
