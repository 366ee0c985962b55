-- step: parties
-- The parties as last known.
SELECT party, min(kind) AS kind, min(name) AS name
FROM (SELECT *, max(known) OVER (PARTITION BY party) AS last_known FROM book_parties) AS facts
WHERE known = last_known
GROUP BY party

-- step: links_as_of
-- The links as last known, equal facts once, withdrawn ones left out.
SELECT link, of_kind, subject, role, party, share, valid_from, valid_to, type,
       min_by(source, row_no) AS source, min(row_no) AS row_no
FROM (SELECT *, max(known) OVER (PARTITION BY link) AS last_known FROM book_links) AS facts
WHERE known = last_known AND valid_from < valid_to
GROUP BY link, of_kind, subject, role, party, share, valid_from, valid_to, type

-- step: tenures
-- Unbroken spans in which a party holds a role of a subject, and who held it last before.
WITH spans AS (
  SELECT of_kind, subject, role, party, valid_from, valid_to, link,
         max(valid_to) OVER (PARTITION BY of_kind, subject, role, party
                             ORDER BY valid_from, valid_to, link
                             ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS reached
  FROM links_as_of),
runs AS (
  SELECT *,
         sum(CASE WHEN reached >= valid_from THEN 0 ELSE 1 END)
           OVER (PARTITION BY of_kind, subject, role, party
                 ORDER BY valid_from, valid_to, link
                 ROWS UNBOUNDED PRECEDING) AS run
  FROM spans),
held AS (
  SELECT of_kind, subject, role, party, min(valid_from) AS since, max(valid_to) AS until
  FROM runs
  GROUP BY of_kind, subject, role, party, run),
followed AS (
  SELECT h.of_kind, h.subject, h.role, h.party, h.since, h.until, b.party AS previous,
         row_number() OVER (PARTITION BY h.of_kind, h.subject, h.role, h.party, h.since
                            ORDER BY b.until DESC, n.place DESC) AS nearest
  FROM held AS h
  LEFT JOIN held AS b
    ON b.of_kind = h.of_kind AND b.subject = h.subject
   AND b.role = h.role AND b.party <> h.party AND b.until <= h.since
  LEFT JOIN party_order AS n ON n.party = b.party)
SELECT of_kind, subject, role, party, since, until, previous FROM followed WHERE nearest = 1

-- step: link_load
-- The part of a subject's role that is held, from each day on which that changes: where the shares
-- of all its links are more than the whole.
WITH given AS (
  SELECT l.of_kind, l.subject, l.role, l.share, l.valid_from, l.valid_to
  FROM links_as_of AS l
  JOIN (SELECT of_kind, subject, role, sum(share) AS share
        FROM links_as_of
        GROUP BY of_kind, subject, role) AS s
    ON s.of_kind = l.of_kind AND s.subject = l.subject AND s.role = l.role
  WHERE s.share > {one_of_kind})
SELECT of_kind, subject, role, day,
       sum(sum(change)) OVER (PARTITION BY of_kind, subject, role ORDER BY day) AS held,
       lead(day) OVER (PARTITION BY of_kind, subject, role ORDER BY day) AS next_day
FROM (SELECT of_kind, subject, role, valid_from AS day, share AS change FROM given
      UNION ALL
      SELECT of_kind, subject, role, valid_to AS day, -share AS change FROM given) AS changes
GROUP BY of_kind, subject, role, day

-- step: link_conflicts
-- Spans in which more than the whole of a subject's role is held.
SELECT l.of_kind, l.subject, l.role, l.day AS valid_from, l.next_day AS valid_to, l.held
FROM link_load AS l
WHERE l.held > {one_of_kind}

-- step: links
-- The links to credit by; where more than the whole is held they are cut there and marked unsound.
-- With the day since which the party holds the role without a break, and who held it before.
WITH cut AS (
  SELECT l.link, l.of_kind, l.subject, l.role, l.party, l.share, l.valid_from, l.valid_to, l.type,
         1 AS sound
  FROM links_as_of AS l
  WHERE NOT EXISTS (SELECT 1 FROM link_conflicts AS c
                    WHERE c.of_kind = l.of_kind AND c.subject = l.subject AND c.role = l.role)
  UNION ALL
  SELECT l.link, l.of_kind, l.subject, l.role, l.party, l.share, d.day, d.next_day, l.type,
         CASE WHEN d.held > {one_of_kind} THEN 0 ELSE 1 END
  FROM links_as_of AS l
  JOIN (SELECT DISTINCT of_kind, subject, role FROM link_conflicts) AS c
    ON c.of_kind = l.of_kind AND c.subject = l.subject AND c.role = l.role
  JOIN link_load AS d
    ON d.of_kind = l.of_kind AND d.subject = l.subject AND d.role = l.role
   AND l.valid_from <= d.day AND d.day < l.valid_to)
SELECT c.*, t.since, t.previous
FROM cut AS c
LEFT JOIN tenures AS t
  ON t.of_kind = c.of_kind AND t.subject = c.subject
 AND t.role = c.role AND t.party = c.party
 AND t.since <= c.valid_from AND c.valid_from < t.until

-- step: labels_as_of
-- The labels as last known, equal facts once, withdrawn ones left out.
SELECT party, label, value, valid_from, valid_to,
       min_by(source, row_no) AS source, min(row_no) AS row_no
FROM (SELECT *, max(known) OVER (PARTITION BY party, label, valid_from) AS last_known
      FROM book_labels) AS facts
WHERE known = last_known AND valid_from < valid_to
GROUP BY party, label, value, valid_from, valid_to

-- step: label_load
-- The number of values that a label has, from each day on which that changes.
SELECT party, label, day,
       sum(sum(change)) OVER (PARTITION BY party, label ORDER BY day) AS held,
       lead(day) OVER (PARTITION BY party, label ORDER BY day) AS next_day
FROM (SELECT party, label, valid_from AS day, 1 AS change FROM labels_as_of
      UNION ALL
      SELECT party, label, valid_to AS day, -1 AS change FROM labels_as_of) AS changes
GROUP BY party, label, day

-- step: labels
-- The labels to decide by: none where a label has more than one value.
SELECT l.party, l.label, l.value, d.day AS valid_from, d.next_day AS valid_to
FROM labels_as_of AS l
JOIN label_load AS d
  ON d.party = l.party AND d.label = l.label AND l.valid_from <= d.day AND d.day < l.valid_to
WHERE d.held = 1

-- step: figures_as_of
-- The figures as last known, equal facts once.
SELECT party, figure, period, amount, currency,
       min_by(source, row_no) AS source, min(row_no) AS row_no
FROM (SELECT *, max(known) OVER (PARTITION BY party, figure, period) AS last_known
      FROM book_figures) AS facts
WHERE known = last_known
GROUP BY party, figure, period, amount, currency

-- step: figures
-- The figures to measure by: none where one is given twice.
SELECT party, figure, period, min(amount) AS amount, min(currency) AS currency
FROM figures_as_of
GROUP BY party, figure, period
HAVING count(*) = 1

-- step: rates_as_of
-- The conversion rates as last known, equal facts once.
SELECT currency, to_currency, per, period, month, day, rate, min(given_by) AS given_by,
       min_by(source, row_no) AS source, min(row_no) AS row_no
FROM (SELECT *, max(known) OVER (PARTITION BY currency, to_currency, period) AS last_known
      FROM book_rates) AS facts
WHERE known = last_known
GROUP BY currency, to_currency, per, period, month, day, rate

-- step: rates
-- The rates to convert by: none where one is given twice.
SELECT currency, to_currency, per, period, month, day, min(rate) AS rate, min(given_by) AS given_by
FROM rates_as_of
GROUP BY currency, to_currency, per, period, month, day
HAVING count(*) = 1
