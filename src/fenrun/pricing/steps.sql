-- The charges of a period by customer, in costs of every kind.

-- view: priced_rows
-- The charges as pricing reads them: whose, of what, on which day, and the terms that each meets;
-- coupons and taxes are marked. Where terms are asked for, those charges alone that meet any.
SELECT import_id, row_no, {terms} AS terms, {order_id} AS order_id, {coupon} AS coupon_id,
       InvoiceIssuerName AS issuer, BillingAccountId AS account, {sub_account} AS sub_account,
       CAST(ChargePeriodStart + {offset} AS DATE) AS day,
       CAST(date_trunc('month', BillingPeriodStart + INTERVAL 1 DAY) AS DATE) AS month,
       coalesce({product}, '') AS product, coalesce({price_id}, '') AS price_id,
       coalesce({sku}, '') AS sku, coalesce({unit}, '') AS unit, BillingCurrency AS currency,
       coalesce({category} = 'Credit' AND {coupon} IS NOT NULL, false) AS is_coupon,
       coalesce({category} = 'Tax', false) AS is_tax,
       {quantity} AS quantity, {list} AS list, {contracted} AS contracted, {billed} AS billed,
       {effective} AS effective, {cost} AS cost
FROM {charges}
WHERE BillingPeriodStart + INTERVAL 1 DAY >= {first}
  AND BillingPeriodStart + INTERVAL 1 DAY < {after}
  AND ({meets})

-- step: priced_groups
-- The same, summed by what tells prices apart; those without a list cost apart from the others.
SELECT row_number() OVER () AS group_id, *
FROM (SELECT issuer, account, sub_account, day, month, product, price_id, sku, unit, currency,
             is_coupon, is_tax, list IS NULL AS is_unlisted,
             coalesce(sum(quantity), 0) AS quantity, coalesce(sum(list), 0) AS list,
             coalesce(sum(contracted), 0) AS contracted, coalesce(sum(billed), 0) AS billed,
             coalesce(sum(effective), 0) AS effective, coalesce(sum(cost), 0) AS cost,
             count(*) - count(cost) AS without_cost
      FROM priced_rows
      GROUP BY ALL)

-- step: priced_shares
-- The customers of each group on its day: by its sub-account where the book names that, else by its
-- account; what is nobody's is that of no customer.
WITH by_sub AS (
  SELECT g.group_id, o.party, o.share, o.sound
  FROM {groups} AS g
  JOIN owners AS o
    ON o.of_kind = 'sub-account' AND o.issuer = g.issuer AND o.subject = g.sub_account
   AND o.valid_from <= g.day AND g.day < o.valid_to),
by_account AS (
  SELECT g.group_id, o.party, o.share, o.sound
  FROM {groups} AS g
  JOIN owners AS o
    ON o.of_kind = 'account' AND o.issuer = g.issuer AND o.subject = g.account
   AND o.valid_from <= g.day AND g.day < o.valid_to
  WHERE NOT EXISTS (SELECT 1 FROM by_sub AS s WHERE s.group_id = g.group_id)),
held AS (
  SELECT group_id, party AS customer, share FROM by_sub WHERE sound
  UNION ALL
  SELECT group_id, party, share FROM by_account WHERE sound),
rest AS (
  SELECT g.group_id, 1 - coalesce(sum(h.share), 0) AS share
  FROM {groups} AS g
  LEFT JOIN held AS h ON h.group_id = g.group_id
  GROUP BY g.group_id)
SELECT group_id, customer, share FROM held
UNION ALL
SELECT group_id, '', share FROM rest WHERE share > 0

-- step: priced_sums
-- The sums by customer, month, product and sku; by day too where the list price must be found.
SELECT s.customer, g.month, g.product, g.price_id, g.sku, g.unit, g.currency, g.is_coupon, g.is_tax,
       g.is_unlisted, CASE WHEN g.is_unlisted THEN g.day END AS list_day,
       sum(g.quantity * s.share) AS quantity,
       sum(g.list * s.share) AS list, sum(g.contracted * s.share) AS contracted,
       sum(g.billed * s.share) AS billed, sum(g.effective * s.share) AS effective,
       sum(g.cost * s.share) AS cost, sum(g.without_cost) AS without_cost
FROM priced_groups AS g
JOIN priced_shares AS s ON s.group_id = g.group_id
GROUP BY ALL
ORDER BY ALL

-- step: met_groups
-- The charges that meet some term, each a group of its own.
SELECT row_number() OVER () AS group_id, *
FROM (SELECT *, list_distinct(terms) AS met FROM priced_rows) AS rows_met
WHERE len(met) > 0

-- step: met_rows
-- The same row by row, with their customers.
SELECT g.import_id, g.row_no, g.day, g.month, g.issuer, g.order_id, g.coupon_id, g.product,
       g.currency, s.customer, g.billed * s.share AS billed, g.list * s.share AS list, g.met
FROM met_groups AS g
JOIN priced_shares AS s ON s.group_id = g.group_id
ORDER BY g.day, g.import_id, g.row_no, s.customer

-- step: met_sums
-- The same summed by term, customer, currency and month of use.
SELECT t.term, s.customer, g.currency, CAST(date_trunc('month', g.day) AS DATE) AS month,
       min(g.day) AS first_day, max(g.day) AS last_day, count(*) AS charges,
       sum(g.billed * s.share) AS billed
FROM met_groups AS g
JOIN priced_shares AS s ON s.group_id = g.group_id
JOIN (SELECT group_id, unnest(met) AS term FROM met_groups) AS t ON t.group_id = g.group_id
GROUP BY ALL
ORDER BY ALL
