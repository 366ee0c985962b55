-- step: turning_days
-- Days on which something changes for an account, after the first day of charge: a link or label of
-- the account, of its customers, of whoever holds a role of these, or of anybody above, as far as
-- roll-ups go.
WITH RECURSIVE turning AS (
  SELECT of_kind, subject, party, valid_from AS day FROM links
  UNION
  SELECT of_kind, subject, party, valid_to FROM links),
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
  SELECT party, valid_from AS day FROM labels
  UNION
  SELECT party, valid_to FROM labels
  UNION
  SELECT subject, day FROM turning WHERE of_kind = 'party'),
charged AS (
  SELECT min(first_day) AS first_day, max(last_day) AS last_day FROM charged_months),
within AS (
  SELECT p.party, p.day
  FROM of_party AS p
  JOIN charged AS c ON c.first_day < p.day AND p.day <= c.last_day),
turning_within AS (
  SELECT t.of_kind, t.subject, t.day
  FROM turning AS t
  JOIN charged AS c ON c.first_day < t.day AND t.day <= c.last_day
  WHERE t.of_kind IN ('account', 'customer')),
of_customer AS (
  SELECT subject AS customer, day FROM turning_within WHERE of_kind = 'customer'
  UNION
  SELECT party, day FROM within
  UNION
  SELECT h.customer, p.day
  FROM within AS p
  JOIN above AS a ON a.upper = p.party
  JOIN holding AS h ON h.party = a.party)
SELECT subject AS account, day FROM turning_within WHERE of_kind = 'account'
UNION
SELECT l.subject, c.day
FROM of_customer AS c
JOIN links AS l ON l.of_kind = 'account' AND l.party = c.customer

-- step: turning
-- The months in which days are told apart for an account: those in which something changes for it
-- after the first day of charge.
SELECT DISTINCT d.account, m.month
FROM turning_days AS d
JOIN charged_months AS m ON m.first_day < d.day AND d.day <= m.last_day

-- step: turned
-- The days from one on which something changes for an account to the next.
SELECT account, day, lead(day) OVER (PARTITION BY account ORDER BY day) AS next_day
FROM turning_days

-- step: cell_facts
-- The facts of each cell (a tuple of values that many charges share): its currency, what conditions
-- ask, and what something is earned for by itself.
{cell_facts}

-- step: kind_texts
-- The kinds of cells: each tuple of facts once, numbered.
SELECT row_number() OVER (ORDER BY {kind_keys}) - 1 AS kind, *
FROM (SELECT DISTINCT {kind_keys} FROM cell_facts)

-- step: cell_kinds
-- The kind of each cell, and whether it is one of corrections.
SELECT CAST(f.cell_no AS INTEGER) AS cell_no, CAST(n.kind AS BIGINT) AS kind,
       {corrects} AS corrects
FROM cell_facts AS f
JOIN kind_texts AS n ON {same_kind}

-- view: charge_rows
-- One row a charge, of all files: numbers of its account and cell, keys of what the book may name,
-- when, how much in each basis, and what else is read of it.
{charge_rows}

-- step: month_totals
-- The days and charges of each month, the sum of each cost, and that without its sign.
SELECT month, min(own_day) AS first_day, max(own_day) AS last_day, count(*) AS rows{month_sums}
FROM charge_rows
GROUP BY month

-- step: unit_texts
-- The values of a column, where something is earned for each of them by itself.
SELECT DISTINCT {unit} AS unit FROM charge_rows WHERE {unit} IS NOT NULL

-- step: named_accounts
-- Accounts with charges of a named order or resource. Asked one by one, each reads few columns.
SELECT DISTINCT a.code AS account
FROM charge_rows AS c
JOIN named AS n ON n.of_kind = 'order' AND n.named_key = c.order_key
JOIN accounts AS a ON a.account_no = c.account_no
UNION
SELECT DISTINCT a.code
FROM charge_rows AS c
JOIN named AS n ON n.of_kind = 'resource' AND n.named_key = c.resource_key
JOIN accounts AS a ON a.account_no = c.account_no

-- step: open_corrections
-- The corrections of these accounts that name neither order nor resource.
SELECT DISTINCT c.account, c.price_key, c.started
FROM ({rows_of_named}) AS c
WHERE {is_open}

-- step: originals
-- The orders and resources of charges that are corrected without a name: those of the same account,
-- price and start.
SELECT i.account, i.price_key, i.started, min(o.code) AS order_id, min(r.code) AS resource_id,
       min(coalesce(o.code, 0)) AS least_order, max(coalesce(o.code, 0)) AS most_order,
       min(coalesce(r.code, 0)) AS least_resource, max(coalesce(r.code, 0)) AS most_resource
FROM ({rows_of_named}) AS c
JOIN open_corrections AS i
  ON i.account = c.account AND i.price_key = c.price_key AND i.started = c.started
{named_joins}
WHERE NOT {is_correction}
GROUP BY i.account, i.price_key, i.started

-- step: corrected
-- The order and resource of corrections that name neither: those of the charges that they correct,
-- where these are all told apart alike.
SELECT account, price_key, started, order_id, resource_id
FROM originals
WHERE least_order = most_order AND least_resource = most_resource

-- view: coded_charges
-- The charges with codes, with only those orders, resources and sub-accounts that the book names.
-- Where a day tells charges apart it is theirs: those of an account in a month in which something
-- changes for it, and those of a named order, resource or sub-account. A correction that names none
-- has those of what it corrects.
SELECT {row}, {sub_account} AS sub_account, {order_id} AS order_id, {resource_id} AS resource_id,
       {day_key} AS day_key
FROM ({placed_charges}) AS c{joins}

-- step: scanned
-- The charges summed by all that tells them apart, packed into as few numbers as hold it.
SELECT {packed}{key_columns}{sums},
       {first_bought} AS bought, count(*) AS charges
FROM coded_charges
GROUP BY {keys}

-- step: groups
-- Charges that must be credited alike, summed: exact, since shares are never rounded. A day that
-- stands for others is none before the month's charges: until these the book may change. `turned`
-- is the last day up to it on which something changed for the account.
SELECT row_number() OVER () AS group_id, g.account, {group_named}, g.month,
       greatest(g.day_key, m.first_day) AS day, {turned} AS turned,
       d.currency{tests}{units}{group_sums}, g.bought, g.charges{for_rows}
FROM (SELECT {unpacked}, s.* FROM scanned AS s) AS g
JOIN kinds AS d ON d.kind = g.kind
JOIN charged_months AS m ON m.month = g.month{turned_join}
