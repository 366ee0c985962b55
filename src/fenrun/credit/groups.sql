-- step: turning_days
-- Days within the window on which something changes for an account: a link or label of the account,
-- of its customers, of whoever holds a role of these, or of anybody above, as far as roll-ups go.
WITH RECURSIVE days AS (
  SELECT of_kind, subject, party, valid_from AS day FROM links
  UNION
  SELECT of_kind, subject, party, valid_to FROM links),
turning AS (
  SELECT * FROM days WHERE day > {low} AND day < {high}),
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
  SELECT party, valid_from AS day FROM labels WHERE valid_from > {low} AND valid_from < {high}
  UNION
  SELECT party, valid_to FROM labels WHERE valid_to > {low} AND valid_to < {high}
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
SELECT subject AS account, day FROM turning WHERE of_kind = 'account'
UNION
SELECT l.subject, c.day
FROM of_customer AS c
JOIN links AS l ON l.of_kind = 'account' AND l.party = c.customer

-- step: spans
-- Spans between them, in which any day stands for all.
SELECT account, day AS valid_from,
       lead(day, 1, {high}) OVER (PARTITION BY account ORDER BY day) AS valid_to
FROM turning_days

-- view: charge_lines
-- One row a charge: whose account, which order and resource, when, how much in each basis, and what
-- conditions and components read.
SELECT import_id, row_no, InvoiceIssuerName AS issuer, BillingAccountId AS account_name,
       {sub_account} AS sub_account_name, {order_id} AS order_name, {resource_id} AS resource_name,
       {month} AS month, date_diff('day', DATE '1970-01-01', {day}) AS own_day,
       BillingCurrency AS currency_name, {correction} AS correction, {price} AS price,
       ChargePeriodStart AS started, {bought} AS bought, {amounts}{tests}{units}
FROM {charges}
WHERE {within}

-- step: corrected
-- The order and resource of corrections that name neither: those of the charges that they correct
-- (same account, price and start), where these are all told apart alike.
WITH distinguished AS (
  SELECT p.issuer, p.account_name
  FROM charge_lines AS p
  JOIN named AS o ON o.of_kind = 'order' AND o.issuer = p.issuer AND o.subject = p.order_name
  UNION
  SELECT p.issuer, p.account_name
  FROM charge_lines AS p
  JOIN named AS r
    ON r.of_kind = 'resource' AND r.issuer = p.issuer AND r.subject = p.resource_name),
corrections AS (
  SELECT DISTINCT c.issuer, c.account_name, c.price, c.started
  FROM charge_lines AS c
  JOIN distinguished AS a ON a.issuer = c.issuer AND a.account_name = c.account_name
  WHERE c.correction AND c.order_name IS NULL AND c.resource_name IS NULL)
SELECT c.issuer, c.account_name, c.price, c.started, min(o.code) AS order_id,
       min(r.code) AS resource_id
FROM corrections AS c
JOIN charge_lines AS p
  ON p.issuer = c.issuer AND p.account_name = c.account_name AND p.price = c.price
 AND p.started = c.started AND NOT p.correction
LEFT JOIN named AS o
  ON o.of_kind = 'order' AND o.issuer = p.issuer AND o.subject = p.order_name
LEFT JOIN named AS r
  ON r.of_kind = 'resource' AND r.issuer = p.issuer AND r.subject = p.resource_name
GROUP BY c.issuer, c.account_name, c.price, c.started
HAVING min(coalesce(o.code, 0)) = max(coalesce(o.code, 0))
   AND min(coalesce(r.code, 0)) = max(coalesce(r.code, 0))

-- view: coded_charges
-- The charges with codes, with only those orders, resources and sub-accounts that the book names,
-- and a day that stands for theirs: their own where these are told apart.
SELECT c.import_id, c.row_no, a.code AS account, {sub_account_code} AS sub_account,
       {order_code} AS order_id, {resource_code} AS resource_id, c.month,
       c.own_day, {span} AS day, m.code AS currency, c.bought{amount_names}{test_names}{unit_codes}
FROM charge_lines AS c
JOIN accounts AS a ON a.issuer = c.issuer AND a.account = c.account_name
JOIN currencies AS m ON m.currency = c.currency_name{joins}

-- step: groups
-- Charges that must be credited alike, summed: exact, since shares are never rounded.
SELECT row_number() OVER () AS group_id, *
FROM (
  SELECT account, sub_account, order_id, resource_id, month, day, currency{keys}{sums},
         min(CASE WHEN bought THEN own_day END) AS bought, count(*) AS charges
  FROM coded_charges
  GROUP BY account, sub_account, order_id, resource_id, month, day, currency{keys})
