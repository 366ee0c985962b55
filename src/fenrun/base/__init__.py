"""The ground that every room stands on. It imports no other room.

It reads no file but the words and what was kept to save time.

In: text and numbers as people and files write them. Out: exact values, and words for people.

- `money`: amounts, rates and shares as exact decimals, never floats.
- `when`: days, half-open spans, periods, and the two clocks of a question.
- `table`: row types as arrow tables and back.
- `problem`: problems as rows with a code and a place; `Refused` carries them.
- `words`: every sentence in both languages; `Message` is said when the reader's language is known.
- `ids`: digests by which equal content is the same content.
- `kept`: what was found once and may be deleted, as JSON or a folder of files.
- `nodes`: YAML that knows its lines.
"""
