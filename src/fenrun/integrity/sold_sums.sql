-- The charges of a month summed by what checks ask, and by day where something changes.

-- step: turning
-- The months within which something changes for an account, a sub-account or an order: who has it,
-- who is the partner of whoever has it, or who looks after them. On the first of a month nothing
-- changes within it.
WITH of_customers AS (
  SELECT subject AS customer, valid_from AS day FROM links
  WHERE of_kind = 'customer' AND role = 'partner'
  UNION
  SELECT subject, valid_to FROM links WHERE of_kind = 'customer' AND role = 'partner'
  UNION
  SELECT customer, day FROM leaving),
changes AS (
  SELECT of_kind, issuer, subject, valid_from AS day FROM owners
  UNION
  SELECT of_kind, issuer, subject, valid_to FROM owners
  UNION
  SELECT o.of_kind, o.issuer, o.subject, c.day
  FROM of_customers AS c
  JOIN owners AS o ON o.party = c.customer
  UNION
  SELECT of_kind, issuer, subject, valid_from FROM links
  WHERE of_kind = 'order' AND role = 'partner'
  UNION
  SELECT of_kind, issuer, subject, valid_to FROM links
  WHERE of_kind = 'order' AND role = 'partner')
SELECT DISTINCT of_kind, issuer, subject, CAST(date_trunc('month', day) AS DATE) AS month
FROM changes
WHERE day > date_trunc('month', day)

-- step: sum_cells
-- The tuples of values that charges share, of all files.
{cells}

-- step: sum_kinds
-- The kinds of charges: each tuple of texts once, numbered; also without what only orders have.
SELECT row_number() OVER (ORDER BY {texts}) AS kind, *
FROM (SELECT {texts} FROM sum_cells
      UNION
      SELECT {plain} FROM sum_cells)

-- step: sum_cell_kinds
-- The kind of each cell, that of its charges of no order, and what else is asked of it; no taxes.
SELECT c.file, c.cell_no, k.kind, CASE WHEN c.order_id = '' THEN p.kind ELSE k.kind END AS plain,
       c.category = 'Purchase' AS is_purchase, c.currency AS money, c.used
FROM sum_cells AS c
JOIN sum_kinds AS k USING ({texts})
JOIN (SELECT * FROM sum_kinds WHERE {is_plain}) AS p USING ({told})
WHERE c.category <> 'Tax'

-- step: sum_accounts
-- The accounts of all files.
SELECT row_number() OVER (ORDER BY issuer, account) AS account_code, *
FROM (SELECT DISTINCT issuer, account FROM ({accounts}))

-- step: sum_numbers
-- The accounts as each file numbers them.
SELECT f.file, f.account_no, a.account_code
FROM ({accounts}) AS f
JOIN sum_accounts AS a USING (issuer, account)

-- step: turning_accounts
-- The accounts for which something changes within a month.
SELECT a.account_code, t.month
FROM turning AS t
JOIN sum_accounts AS a ON a.issuer = t.issuer AND a.account = t.subject
WHERE t.of_kind = 'account'

-- step: turning_subjects
-- The same of orders and sub-accounts, whoever bills them.
SELECT DISTINCT of_kind, subject, month FROM turning WHERE of_kind <> 'account'

-- view: sum_rows
-- The charges by number, with the texts that stand beside each of them.
SELECT *, CAST(date_trunc('month', on_day) AS DATE) AS month
FROM ({rows})

-- step: sold_sums
-- The charges summed, and numbered. A row has the day of all of its charges, or in a month in which
-- any day stands for all the first and the last that has some. A row of no account has the sum of a
-- day in a currency (`money`).
WITH summed AS (
  SELECT r.account_code, r.kind{beside}, r.month, CASE WHEN {turns} THEN r.on_day END AS by_day,
         r.on_day, r.money, min(r.on_day) AS first, max(r.on_day) AS last,
         coalesce(sum(r.billed), 0) AS billed, coalesce(sum(r.effective), 0) AS effective,
         coalesce(sum(r.used), 0) AS used,
         coalesce(sum(CASE WHEN r.billed < 0 THEN r.billed END), 0) AS returned,
         count(*) AS charges
  FROM sum_rows AS r{joins}
  GROUP BY GROUPING SETS ((r.account_code, r.kind{beside}, r.month, by_day), (r.on_day, r.money)))
SELECT row_number() OVER () AS group_no, a.issuer, a.account, {of_row}, s.month, s.by_day,
       coalesce(s.on_day, s.first) AS day, s.last, s.billed, s.effective, s.used, s.returned,
       s.charges
FROM summed AS s
LEFT JOIN sum_accounts AS a USING (account_code)
LEFT JOIN sum_kinds AS k USING (kind)

-- step: no_sums
-- The same of no charge.
SELECT 0::BIGINT AS group_no, '' AS issuer, '' AS account, {no_texts}, NULL::DATE AS month,
       NULL::DATE AS by_day, NULL::DATE AS day, NULL::DATE AS last, 0::DECIMAL(38, 2) AS billed,
       0::DECIMAL(38, 2) AS effective, 0::DECIMAL(38, 2) AS used, 0::DECIMAL(38, 2) AS returned,
       0::BIGINT AS charges
WHERE false
