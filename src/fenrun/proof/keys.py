"""The workspace's Ed25519 key: what a bundle is signed with."""

from __future__ import annotations

import os
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from fenrun.base.problem import Place, Problem, Refused

NAME = "signing-key.pem"


def signing_key(workspace: Path) -> Ed25519PrivateKey:
    """The key of a workspace, made where there is none; only its owner may read the file.

    Raises Refused where it cannot be read.
    """
    path = workspace / NAME
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        try:
            key = serialization.load_pem_private_key(path.read_bytes(), None)
        except (ValueError, TypeError, OSError) as error:
            raise Refused(
                [Problem("key-unreadable", Place(str(path)), {"detail": str(error)})]
            ) from error
        if not isinstance(key, Ed25519PrivateKey):
            raise Refused(
                [Problem("key-unreadable", Place(str(path)), {"detail": "not an Ed25519 key"})]
            ) from None
        return key
    made = Ed25519PrivateKey.generate()
    with os.fdopen(handle, "wb") as file:
        file.write(
            made.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
    return made


def public_text(key: Ed25519PrivateKey) -> str:
    """The public half as hex, as a payee keeps it to know whose signature it is."""
    return (
        key.public_key()
        .public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        .hex()
    )


def signed_by(public: str, signature: bytes, content: bytes) -> bool:
    """Return whether the content was signed with the key of this public half."""
    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(public)).verify(signature, content)
    except (InvalidSignature, ValueError):
        return False
    return True
