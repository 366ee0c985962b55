"""The keys that a reader was given by another way than the bundle, and so can vouch for it."""

from __future__ import annotations

import json
import re
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from fenrun.base.ids import fingerprint
from fenrun.base.problem import Place, refused

_PUBLIC = re.compile(r"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")
_FINGERPRINT = re.compile(r"(?<![0-9a-f-])[0-9a-f]{4}(?:-[0-9a-f]{4}){7}(?![0-9a-f-])")
_PEM = "-----BEGIN PUBLIC KEY-----"


def given_fingerprints(given: str) -> list[str]:
    """Return the fingerprints of the keys that a reader gives.

    `given` is a public key (hex), a fingerprint, or the path of a file of either: one that
    `fenrun key publish` wrote, a PEM, or any text. Raises Refused where it holds none.
    """
    text = given
    try:
        if Path(given).is_file():
            text = Path(given).read_text("utf-8")
    except (OSError, ValueError) as error:
        raise refused("key-not-given", Place(given), detail=str(error)) from error
    publics = _publics(text)
    if text.lstrip().startswith(_PEM):
        publics = [_of_pem(given, text)]
    found = _FINGERPRINT.findall(text.lower()) + [fingerprint(public) for public in publics]
    if not found:
        raise refused("key-not-given", Place(given), detail="-")
    return list(dict.fromkeys(found))


def _publics(text: str) -> list[str]:
    """Return the public keys of a text; of what `fenrun key publish` wrote, no hashes beside."""
    try:
        return [str(key["public_key"]).lower() for key in json.loads(text)["keys"]]
    except (ValueError, KeyError, TypeError):
        return _PUBLIC.findall(text.lower())


def _of_pem(given: str, text: str) -> str:
    try:
        key = serialization.load_pem_public_key(text.encode())
    except ValueError as error:
        raise refused("key-not-given", Place(given), detail=str(error)) from error
    if not isinstance(key, Ed25519PublicKey):
        raise refused("key-not-given", Place(given), detail="not Ed25519")
    raw = key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return raw.hex()
