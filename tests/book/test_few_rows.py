"""What few rows of a book are asked is answered without pyarrow's grouping, and alike."""

from __future__ import annotations

from decimal import Decimal
from unittest.mock import patch

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from fenrun.book import as_codes

_KEYS = ("of_kind", "issuer", "subject", "role")
_LINKS = st.lists(
    st.tuples(
        *(st.sampled_from("ab") for _ in _KEYS),
        st.sampled_from(
            [Decimal("0.5"), Decimal("0.4" + "9" * 34), Decimal("0.5" + "0" * 33 + "1")]
        ),
    ),
    max_size=8,
)


@given(_LINKS)
def test_few_rows_are_grouped_as_many_are(rows: list[tuple[object, ...]]) -> None:
    """Two halves are a whole; a half and the next number above it are more, at the 35th place."""
    columns = list(zip(*rows)) or [()] * 5
    types = [*[pa.string()] * 4, pa.decimal128(38, 35)]
    arrays = [pa.array(values, kind) for values, kind in zip(columns, types)]
    links = pa.table(arrays, [*_KEYS, "share"])
    found = []
    for few in (0, 1000):
        with patch.object(as_codes, "_FEW", few):
            distinct = as_codes._distinct(links, "of_kind", "share")
            found.append((sorted(map(str, distinct)), as_codes._may_clash(links)))
    assert found[0] == found[1]
