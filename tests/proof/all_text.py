"""All that a bundle says, as text, in whatever form it stands there."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq


def all_text(path: Path) -> str:
    """Return file names, texts, the log, and of tables every cell and what files say beside them.

    Bytes of tables are not read as text: compressed or random ones can spell any short id.
    """
    said = []
    with zipfile.ZipFile(path) as bundle:
        for name in bundle.namelist():
            content = bundle.read(name)
            said.append(name)
            if name.endswith(".parquet"):
                said += _table(content)
            else:
                said += [content.decode("latin-1"), content.decode("utf-8", "replace")]
    return "\n".join(said)


def without_digests(text: str) -> str:
    """Return a text without digests, keys and signatures, whose digits can spell any short id.

    They are other ones in each run: a text of four digits stands in one of a dozen bundles.
    """
    return re.sub(r"[0-9a-f]{32,}", "...", text)


def _table(content: bytes) -> Iterator[str]:
    """Yield the cells of a table, its metadata with least and largest values, and all values that
    its dictionaries hold, used or not.
    """
    file = pq.ParquetFile(io.BytesIO(content))
    yield str(file.read().to_pylist())
    yield str(file.metadata.to_dict())
    yield str(file.schema_arrow.metadata)
    texts = [field.name for field in file.schema_arrow if pa.types.is_string(field.type)]
    coded = pq.read_table(io.BytesIO(content), read_dictionary=texts)
    for name in texts:
        yield from (str(chunk.dictionary.to_pylist()) for chunk in coded[name].chunks)
