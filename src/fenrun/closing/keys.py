"""The workspace's signing key: one Ed25519 key at a time, known by name and fingerprint.

The log says which it is: from its first use, and after each rotation, which the key before signs.
`signing-key.pem` holds the private half. A file that is lost, or another than the log knows, stops
what would be signed: no key ever takes the place of another unsaid.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from fenrun.base.ids import digest, fingerprint
from fenrun.base.problem import Place, Problem, refused
from fenrun.base.when import parse_moment, show_moment
from fenrun.base.words import reason
from fenrun.closing.signer import signer_of
from fenrun.store.audit_log import Event, Writer
from fenrun.store.facts import Store

NAME = "signing-key.pem"
_NEXT = "signing-key.next.pem"
"""The key that a rotation makes, until it takes its place."""


@dataclass(frozen=True)
class SigningKey:
    """A signing key, as the log says."""

    name: str
    """Whose it is."""
    public: str
    """The public half, as hex."""
    since: datetime
    """When it was first used, or took the place of the one before (UTC)."""
    seq: int
    """The event of the log that says so."""
    signature: str
    """Of the key before, which hands over to this one, as hex; nothing of the first."""

    @property
    def fingerprint(self) -> str:
        """Its short form, which people compare."""
        return fingerprint(self.public)


def known_keys(store: Store) -> list[SigningKey]:
    """Return the signing keys that the log knows, the one in force last."""
    return [_key_of(event) for event in store.log.events("key")]


def _key_of(event: Event) -> SigningKey:
    facts = event.facts()
    return SigningKey(
        name=facts["source"],
        public=facts["public_key"],
        since=parse_moment(event.at),
        seq=event.seq,
        signature=facts["signature"],
    )


def signing_key(store: Store) -> Ed25519PrivateKey:
    """Return the key in force; the first is made, and entered in the log, where there is none yet.

    Raises Refused where its file is lost, cannot be read, or holds another key.
    """
    known = known_keys(store)
    if known:
        return _read_known(store.path, known[-1])
    with store.log.writing() as log:
        return enter_key(store, log)


def refuse_lost_key(store: Store) -> None:
    """Raise Refused where the log knows a key, and its file is lost or holds another."""
    known = known_keys(store)
    if known:
        _read_known(store.path, known[-1])


def enter_key(store: Store, log: Writer, name: str = "") -> Ed25519PrivateKey:
    """Return the key in force, as `signing_key` does, where the right to write is held already.

    A key that is made is named as `signing.yaml` says, unless a `name` is given.
    """
    known = known_keys(store)
    if known:
        return _read_known(store.path, known[-1])
    path = store.path / NAME
    key = _read(path) if path.exists() else _make(path)
    _enter(store, log, key, name or signer_of(store.path).name, None, "")
    return key


def rotate(store: Store, name: str = "", lost: bool = False) -> SigningKey:
    """Put a new key in the place of the one in force, which signs that, and return it.

    The first is made where there is none. Where the key in force is `lost` for good, the log says
    for ever that nobody signed. Raises Refused where it cannot sign and is not said to be lost.
    """
    with store.log.writing() as log:
        known = known_keys(store)
        if known:
            name = name or known[-1].name
            old = None if lost else _read_known(store.path, known[-1])
            made = _make(store.path / _NEXT)
            signature = old.sign(_handed_over(known[-1].public, made, name)).hex() if old else ""
            _enter(store, log, made, name, known[-1], signature)
        else:
            enter_key(store, log, name)
    known = known_keys(store)
    _read_known(store.path, known[-1])  # which puts the file in its place
    return known[-1]


def broken_keys(store: Store) -> list[Problem]:
    """Return the keys that took the place of another without its signature."""
    found, before = [], ""
    for event in store.log.events("key"):
        facts = event.facts()
        if before:
            new = (facts["public_key"], facts["source"], facts["signature"])
            if not is_handed_over(before, *new):
                values = {
                    "old": fingerprint(before),
                    "new": fingerprint(facts["public_key"]),
                    "actor": store.names(event.actor),
                    "at": event.at,
                }
                place = Place(store.log.path.name, event.seq)
                found.append(Problem("key-unsigned", place, values))
        before = facts["public_key"]
    return found


def _enter(
    store: Store,
    log: Writer,
    key: Ed25519PrivateKey,
    name: str,
    before: SigningKey | None,
    signature: str,
) -> None:
    at = store.time(store.last_knowledge_time() or datetime.min)
    log.add(
        at=at,
        actor=store.code(store.actor),
        act="key",
        kind="key",
        subject=fingerprint(public_text(key)),
        reason=store.reason,
        before={"public_key": before.public, "source": before.name} if before else {},
        after={
            "source": name,
            "known": show_moment(at),
            "files": {},
            "public_key": public_text(key),
            "signature": signature,
        },
    )


def is_handed_over(old: str, new: str, name: str, signature: str) -> bool:
    """Return whether a key has signed that a new one takes its place. Raises ValueError."""
    return signed_by(old, bytes.fromhex(signature), _content(old, new, name))


def _handed_over(old: str, new: Ed25519PrivateKey, name: str) -> bytes:
    return _content(old, public_text(new), name)


def _content(old: str, new: str, name: str) -> bytes:
    """Return what the key before signs of a rotation."""
    return digest("key", old, new, name).encode()


def _read_known(workspace: Path, known: SigningKey) -> Ed25519PrivateKey:
    """Read the file of a key that the log knows. Raises Refused where it is not that key."""
    path, made = workspace / NAME, workspace / _NEXT
    if made.exists() and public_text(_read(made)) == known.public:
        os.replace(made, path)  # the rotation is in the log, and was cut off here
    values = {"name": known.name, "fingerprint": known.fingerprint}
    if not path.exists():
        raise refused("key-missing", Place(str(path)), **values)
    key = _read(path)
    if public_text(key) != known.public:
        found = fingerprint(public_text(key))
        raise refused("key-exchanged", Place(str(path)), found=found, **values)
    return key


def _read(path: Path) -> Ed25519PrivateKey:
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), None)
    except (ValueError, TypeError, OSError) as error:
        raise refused("key-unreadable", Place(str(path)), detail=reason(error)) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise refused("key-unreadable", Place(str(path)), detail="not an Ed25519 key")
    return key


def _make(path: Path) -> Ed25519PrivateKey:
    """Write a new key to a file that only its owner may read; it is there once it is whole.

    What a rotation left there, and never was in the log, goes.
    """
    made, scratch = _new_key(), path.with_name(f".{path.name}-{os.getpid()}")
    scratch.unlink(missing_ok=True)
    with os.fdopen(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(
            made.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        file.flush()
        os.fsync(file.fileno())
    os.replace(scratch, path)
    return made


def _new_key() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.generate()


def public_text(key: Ed25519PrivateKey) -> str:
    """Return the public half as hex."""
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
