"""Content addresses: equal content has an equal id, on every machine and in every run."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

_SHOWN = 12
_CANONICAL = json.JSONEncoder(
    ensure_ascii=False, sort_keys=True, separators=(",", ":"), default=str
)

AT = "\x1f"
"""What stands between an issuer and a subject of it."""


def digest(*parts: Any) -> str:
    """Return a hex SHA-256 over the parts as canonical JSON."""
    return hashlib.sha256(_CANONICAL.encode(parts).encode()).hexdigest()


def short(full: str) -> str:
    """Return the first 12 characters of a digest, which is what people see."""
    return full[:_SHOWN]


def fingerprint(public: str) -> str:
    """Return the fingerprint of a public key (hex): 128 bits of its SHA-256 in groups of four."""
    full = hashlib.sha256(bytes.fromhex(public)).hexdigest()
    return "-".join(full[start : start + 4] for start in range(0, 32, 4))


def file_digest(path: Path) -> str:
    """Return a hex SHA-256 over the file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
