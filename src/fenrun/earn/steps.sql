-- step: segment_days
-- Each segment with the days on which it has credits.
SELECT DISTINCT segment_id, day FROM credits

-- step: excluded
-- The first exclusion that holds for a component, segment and day.
SELECT x.plan_id, k.rule_id AS component, m.segment_id, s.day, min_by(x.rule_id, x.rank) AS excluded_by
FROM plan_exclusions AS x
JOIN plan_components AS k ON k.plan_id = x.plan_id AND (x.component = '' OR x.component = k.rule_id)
JOIN matches AS m ON m.plan_id = x.plan_id AND m.rule_id = x.rule_id
JOIN segment_days AS s ON s.segment_id = m.segment_id AND x.valid_from <= s.day AND s.day < x.valid_to
GROUP BY x.plan_id, k.rule_id, m.segment_id, s.day

-- step: measured
-- What each component measures, by payee, customer and month, told apart by what excludes it and whether a baseline is set against it.
SELECT c.plan_id, k.rule_id AS component, c.party AS payee, c.customer, c.month, x.excluded_by,
       k.baseline <> '' AND (k.baseline_rule = '' OR b.segment_id IS NOT NULL) AS baselined,
       sum(c.amount) AS amount, sum(c.charges) AS charges
FROM credits AS c
JOIN plan_components AS k ON k.plan_id = c.plan_id AND k.role = c.role
LEFT JOIN excluded AS x ON x.plan_id = c.plan_id AND x.component = k.rule_id AND x.segment_id = c.segment_id AND x.day = c.day
LEFT JOIN matches AS b ON b.plan_id = c.plan_id AND b.rule_id = k.baseline_rule AND b.segment_id = c.segment_id
GROUP BY c.plan_id, k.rule_id, c.party, c.customer, c.month, x.excluded_by, k.baseline <> '' AND (k.baseline_rule = '' OR b.segment_id IS NOT NULL)

-- step: baselined
-- Spend set against a customer's baseline: in the order of months, only what comes above it counts.
WITH spend AS (
  SELECT m.plan_id, m.component, m.payee, m.customer, m.month, m.amount, m.charges, p.period, coalesce(f.amount, 0) AS baseline,
         sum(m.amount) OVER (PARTITION BY m.plan_id, m.component, m.payee, m.customer, p.period ORDER BY m.month) AS reached
  FROM measured AS m
  JOIN plan_components AS k ON k.plan_id = m.plan_id AND k.rule_id = m.component
  JOIN plan_terms AS t ON t.plan_id = m.plan_id
  JOIN periods AS p ON p.per = k.baseline_per AND p.period_from <= m.month AND m.month < p.period_to
  LEFT JOIN figures AS f ON f.party = m.customer AND f.figure = k.baseline AND f.period = p.period AND f.currency = t.currency
  WHERE m.baselined AND m.excluded_by IS NULL)
SELECT plan_id, component, payee, customer, month, period, baseline, amount, charges,
       greatest(reached - baseline, 0) - greatest(reached - amount - baseline, 0) AS counted
FROM spend

-- step: counted
-- What counts, by payee, customer and month; what is excluded counts 0.
SELECT plan_id, component, payee, customer, month, charges, amount, CAST(CASE WHEN excluded_by IS NULL THEN amount ELSE 0 * amount END AS {measure}) AS counted, excluded_by,
       CAST(NULL AS VARCHAR) AS baseline_period, CAST(0 AS {measure}) AS baseline
FROM measured
WHERE NOT (baselined AND excluded_by IS NULL)
UNION ALL
SELECT plan_id, component, payee, customer, month, charges, amount, CAST(counted AS {measure}), NULL, period, CAST(baseline AS {measure})
FROM baselined

-- step: bases
-- The measured amount of each component, payee and period.
SELECT c.plan_id, c.component, c.payee, p.per, p.period, p.period_from, p.period_to, p.paid_month, sum(c.counted) AS amount
FROM counted AS c
JOIN plan_components AS k ON k.plan_id = c.plan_id AND k.rule_id = c.component
JOIN periods AS p ON p.per = k.per AND p.period_from <= c.month AND c.month < p.period_to
GROUP BY c.plan_id, c.component, c.payee, p.per, p.period, p.period_from, p.period_to, p.paid_month

-- step: payee_dims
-- What conditions on payees read on the first day of a period.
SELECT b.payee, b.period_from{payee_labels}
FROM (SELECT DISTINCT payee, period_from FROM bases) AS b{payee_joins}

-- step: payee_matches
-- Which payees qualify for which components in which period.
{payee_matches}

-- step: referenced
-- Each base beside what it is measured against: figures of the book, or the payee's own measure a year before.
SELECT b.plan_id, b.component, k.rank, k.role, b.payee, b.per, b.period, b.period_from, b.period_to, b.paid_month, z.currency, b.amount,
       k.pays_on, k.reads_by, k.portion, k.cap, k.table_id, z.round_step, z.round_per, z.round_mode,
       CAST(t.amount AS {measure}) AS target, CASE WHEN k.compare = 'last year' THEN CAST(y.amount AS {measure}) ELSE CAST(f.amount AS {measure}) END AS compared,
       CAST(n.amount AS {measure}) AS figure,
       q.payee IS NOT NULL AS qualifies
FROM bases AS b
JOIN plan_components AS k ON k.plan_id = b.plan_id AND k.rule_id = b.component
JOIN plan_terms AS z ON z.plan_id = b.plan_id AND z.valid_from <= b.period_from AND b.period_from < z.valid_to
LEFT JOIN figures AS t ON t.party = b.payee AND t.figure = k.target AND t.period = b.period AND t.currency = z.currency
LEFT JOIN figures AS f ON f.party = b.payee AND f.figure = k.compare AND f.period = b.period AND f.currency = z.currency
LEFT JOIN figures AS n ON n.party = b.payee AND n.figure = k.on_figure AND n.period = b.period AND n.currency = z.currency
LEFT JOIN bases AS y ON y.plan_id = b.plan_id AND y.component = b.component AND y.payee = b.payee AND y.period_from = b.period_from - INTERVAL 1 YEAR
LEFT JOIN payee_matches AS q ON q.plan_id = b.plan_id AND q.component = b.component AND q.payee = b.payee AND q.period_from = b.period_from
WHERE b.paid_month >= DATE '{paid_from}' AND b.paid_month < DATE '{paid_to}'

-- step: tested
-- What a rate is applied to, what picks the band, and what the band's bounds are multiplied with; or why nothing can be earned.
SELECT r.*, r.amount - r.compared AS increment,
       CASE r.pays_on WHEN 'amount' THEN r.amount WHEN 'increment' THEN r.amount - r.compared ELSE r.figure END AS base,
       CASE WHEN r.reads_by IN ('amount', 'attainment') THEN r.amount ELSE r.amount - r.compared END AS measure,
       CASE r.reads_by WHEN 'attainment' THEN r.target WHEN 'growth' THEN r.compared ELSE 1 END AS reference,
       CASE WHEN NOT r.qualifies THEN 'payee'
            WHEN r.reads_by = 'attainment' AND (r.target IS NULL OR r.target <= 0) THEN 'no-target'
            WHEN r.reads_by = 'growth' AND (r.compared IS NULL OR r.compared <= 0) THEN 'no-comparison'
            WHEN (r.reads_by = 'increment' OR r.pays_on = 'increment') AND r.compared IS NULL THEN 'no-comparison'
            WHEN r.pays_on = 'figure' AND r.figure IS NULL THEN 'no-figure' END AS hindrance
FROM referenced AS r

-- step: slices
-- Amounts of one column are cast to one type: DuckDB would round silently to the fewer decimals of two 38-digit types.
-- The bands reached, with what each is applied to: the whole, or its own slice.
SELECT t.plan_id, t.component, t.payee, t.period, n.valid_from AS table_from, n.kind, n.band_no, n.words, n.rate, n.flat,
       CASE WHEN n.kind = 'all units' THEN CAST(t.base AS {part})
            ELSE CAST(least(CAST(t.measure AS {part}), coalesce(CAST(n.upper * t.reference AS {part}), CAST(t.measure AS {part})))
                      - coalesce(CAST(n.lower * t.reference AS {part}), 0) AS {part}) END AS part
FROM tested AS t
JOIN plan_bands AS n ON n.plan_id = t.plan_id AND n.table_id = t.table_id AND n.valid_from <= t.period_from AND t.period_from < n.valid_to
WHERE t.hindrance IS NULL
  AND (n.lower IS NULL OR t.measure > n.lower * t.reference OR (n.lower_in AND t.measure = n.lower * t.reference))
  AND (n.kind = 'marginal' OR n.upper IS NULL OR t.measure < n.upper * t.reference OR (n.upper_in AND t.measure = n.upper * t.reference))

-- step: paid
-- What each reached band pays.
SELECT s.*, coalesce(CAST(part * rate AS {pays}), CAST(flat AS {pays})) AS pays
FROM slices AS s

-- step: sums
-- What the reached bands pay together.
SELECT plan_id, component, payee, period, min(table_from) AS table_from, count(*) AS bands, sum(pays) AS amount
FROM paid
GROUP BY plan_id, component, payee, period

-- step: earnings
-- What is earned: portion, then cap, then rounding, once.
WITH exact AS (
  SELECT t.*, s.table_from, coalesce(CAST(s.amount * t.portion AS {uncapped}), 0) AS uncapped,
         CASE WHEN t.hindrance IS NOT NULL THEN t.hindrance WHEN s.bands IS NULL THEN 'no-band' WHEN s.amount * t.portion > t.cap THEN 'capped' ELSE 'band' END AS reason
  FROM tested AS t
  LEFT JOIN sums AS s ON s.plan_id = t.plan_id AND s.component = t.component AND s.payee = t.payee AND s.period = t.period),
steps AS (SELECT e.*, least(uncapped, coalesce(CAST(cap AS {uncapped}), uncapped)) * round_per AS stepped FROM exact AS e)
SELECT plan_id, component, rank, role, payee, per, period, period_from, period_to, paid_month, currency, amount, target, compared, base, measure, reference,
       pays_on, reads_by, portion, table_id, table_from, uncapped, cap, reason,
       CASE WHEN round_mode = 'down' OR (round_mode = 'half even' AND abs(stepped - trunc(stepped)) = 0.5 AND trunc(stepped) % 2 = 0) THEN trunc(stepped)
            ELSE round(stepped, 0) END * round_step AS earned
FROM steps
ORDER BY plan_id, payee, rank, period_from
