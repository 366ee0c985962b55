-- The sums of charges as the checks read them: whose, by whom, sold by whom.

-- view: sold_groups
-- The sums of accounts, each with the day for which its customers are asked: where nothing changes
-- in a month its first says as much as any.
SELECT *, coalesce(by_day, month) AS asked_on
FROM sold_sums
WHERE account IS NOT NULL

-- step: sold_days
-- What all use on each day, by currency.
SELECT day, currency, sum(effective) AS effective
FROM sold_sums
WHERE account IS NULL
GROUP BY day, currency

-- step: sold_places
-- The accounts with the days for which their customers are asked.
SELECT row_number() OVER () AS group_id, *
FROM (SELECT DISTINCT issuer, account, sub_account, asked_on AS day FROM sold_groups)

-- step: sold_holders
-- Their customers, each with its partner (`own`): of several the one with the largest share.
SELECT p.issuer, p.account, p.sub_account, p.day, s.customer, any_value(s.share) AS share,
       coalesce(arg_max(l.party, (l.share, l.party)), '') AS own
FROM sold_places AS p
JOIN priced_shares AS s USING (group_id)
LEFT JOIN links AS l
  ON l.of_kind = 'customer' AND l.role = 'partner' AND l.subject = s.customer
 AND l.valid_from <= p.day AND p.day < l.valid_to
WHERE s.customer <> ''
GROUP BY p.issuer, p.account, p.sub_account, p.day, s.customer

-- step: order_partners
-- The partner of each order on its day: of several the one with the largest share.
SELECT g.group_id, arg_max(l.party, (l.share, l.party)) AS partner
FROM sold_groups AS g
JOIN links AS l
  ON l.of_kind = 'order' AND l.role = 'partner' AND l.issuer = g.issuer AND l.subject = g.order_id
 AND l.valid_from <= g.day AND g.day < l.valid_to
WHERE g.order_id <> ''
GROUP BY g.group_id

-- step: sold
-- The groups by customer, with the partner that is credited: that of the order, else that of the
-- customer (`own`). Amounts are of the customer's share. Where nothing changes in a month `day` is
-- the first and `last` the last of its days that has charges, else both are the same.
SELECT g.group_id, g.account, g.sub_account, g.order_id, g.operator, g.region, g.product,
       g.category, g.currency, g.agreement, g.day, g.last, g.month, h.customer,
       coalesce(o.partner, h.own) AS partner, h.own, g.billed * h.share AS billed,
       g.effective * h.share AS effective, g.used * h.share AS used,
       g.returned * h.share AS returned, g.charges
FROM sold_groups AS g
JOIN sold_holders AS h
  ON h.issuer = g.issuer AND h.account = g.account AND h.sub_account = g.sub_account
 AND h.day = g.asked_on
LEFT JOIN order_partners AS o USING (group_id)

-- view: sold_rows
-- The charges of some accounts one by one, with what tells their groups apart.
SELECT import_id, row_no, InvoiceIssuerName AS issuer, BillingAccountId AS account, {row_keys},
       CAST(ChargePeriodStart + {offset} AS DATE) AS on_day,
       CAST(date_trunc('month', ChargePeriodStart + {offset}) AS DATE) AS month
FROM some_charges
WHERE BillingPeriodStart + INTERVAL 1 DAY >= {first}
  AND BillingPeriodStart + INTERVAL 1 DAY < {after}

-- step: rows_wanted
-- The charges of some groups.
SELECT r.import_id, r.row_no, w.group_id
FROM wanted AS w
JOIN sold_groups AS g USING (group_id)
JOIN sold_rows AS r USING (issuer, account, {keys}, month)
WHERE g.by_day IS NULL OR g.by_day = r.on_day
