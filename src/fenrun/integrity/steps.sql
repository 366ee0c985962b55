-- The charges of some months as the checks read them: whose, by whom, sold by whom.

-- view: sold_rows
-- The charges with what tells their groups apart.
SELECT import_id, row_no, InvoiceIssuerName AS issuer, BillingAccountId AS account,
       coalesce({sub_account}, '') AS sub_account, coalesce({order_id}, '') AS order_id,
       coalesce({operator}, '') AS operator, coalesce({region}, '') AS region,
       coalesce({product}, '') AS product, coalesce({category}, 'Usage') AS category,
       BillingCurrency AS currency,
       CAST(ChargePeriodStart + {offset} AS DATE) AS day,
       {billed} AS billed, {effective} AS effective, {list} AS list, {cost} AS cost,
       {used} AS used
FROM charges
WHERE BillingPeriodStart + INTERVAL 1 DAY >= {first}
  AND BillingPeriodStart + INTERVAL 1 DAY < {after}
  AND coalesce({category}, 'Usage') <> 'Tax'

-- step: sold_groups
-- The same, summed by what tells them apart.
SELECT row_number() OVER () AS group_id, *
FROM (SELECT issuer, account, sub_account, order_id, operator, region, product, category, currency,
             day, coalesce(sum(billed), 0) AS billed, coalesce(sum(effective), 0) AS effective,
             coalesce(sum(list), 0) AS list, sum(cost) AS cost, coalesce(sum(used), 0) AS used,
             count(*) AS charges
      FROM sold_rows
      GROUP BY ALL)

-- step: order_partners
-- The partner of each order on each of its days: of several the one with the largest share.
SELECT g.group_id, arg_max(l.party, (l.share, l.party)) AS partner
FROM sold_groups AS g
JOIN links AS l
  ON l.of_kind = 'order' AND l.role = 'partner' AND l.issuer = g.issuer AND l.subject = g.order_id
 AND l.valid_from <= g.day AND g.day < l.valid_to
WHERE g.order_id <> ''
GROUP BY g.group_id

-- step: sold
-- The groups by customer, with the partner that is credited: that of the order, else that of the
-- customer (`own`). Amounts are of the customer's share.
SELECT g.group_id, g.account || ' ' || g.sub_account AS account, g.order_id, g.operator,
       g.region, g.product, g.category, g.currency, g.day,
       CAST(date_trunc('month', g.day) AS DATE) AS month, s.customer,
       coalesce(any_value(o.partner), arg_max(l.party, (l.share, l.party)), '') AS partner,
       coalesce(arg_max(l.party, (l.share, l.party)), '') AS own,
       any_value(g.billed * s.share) AS billed,
       any_value(g.effective * s.share) AS effective,
       any_value(g.list * s.share) AS list,
       any_value(g.cost * s.share) AS cost,
       any_value(g.used * s.share) AS used,
       any_value(g.charges) AS charges
FROM sold_groups AS g
JOIN priced_shares AS s ON s.group_id = g.group_id
LEFT JOIN order_partners AS o ON o.group_id = g.group_id
LEFT JOIN links AS l
  ON l.of_kind = 'customer' AND l.role = 'partner' AND l.subject = s.customer
 AND l.valid_from <= g.day AND g.day < l.valid_to
WHERE s.customer <> ''
GROUP BY g.group_id, g.account, g.sub_account, g.order_id, g.operator, g.region, g.product,
         g.category, g.currency, g.day, s.customer
