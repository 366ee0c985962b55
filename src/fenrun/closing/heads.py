"""The signed head of the log at each close: who has one knows all rows up to it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from fenrun.base.when import show_moment
from fenrun.closing.close import closes
from fenrun.closing.keys import known_keys, public_text, signed_by, signing_key
from fenrun.closing.rows import Close
from fenrun.closing.signer import signer_of
from fenrun.store.facts import Store


@dataclass(frozen=True)
class Head:
    """The row of the log that wrote a close, signed. Its hash is over all rows before it too."""

    seq: int
    hash: str
    at: str
    """When it was closed (UTC)."""
    known: str
    """Knowledge time of the close."""
    period: str
    root: str
    """Sign-off hash of all statements."""
    public_key: str
    signature: str
    """Over all of the above, as hex."""

    def content(self) -> bytes:
        """Return what is signed: canonical JSON."""
        said = {key: value for key, value in asdict(self).items() if key != "signature"}
        return json.dumps(said, ensure_ascii=False, sort_keys=True).encode()

    def is_signed(self) -> bool:
        """Return whether the key that it names signed it."""
        return signed_by(self.public_key, bytes.fromhex(self.signature), self.content())


def signed_heads(store: Store) -> list[Head]:
    """Return the head at each close, in order, signed with the key in force. Raises Refused."""
    done = closes(store)
    return [head_of(store, close, signing_key(store)) for close in done]


def published(store: Store) -> dict[str, Any]:
    """Return what everybody may know: the public keys, the one in force last, and the heads.

    Raises Refused where the key is lost.
    """
    keys = [
        {
            "name": key.name,
            "fingerprint": key.fingerprint,
            "public_key": key.public,
            "since": show_moment(key.since),
            "seq": key.seq,
            "signature": key.signature,
        }
        for key in known_keys(store)
    ]
    heads = [asdict(head) for head in signed_heads(store)]
    return {"trust": signer_of(store.path).trust, "keys": keys, "heads": heads}


def head_of(store: Store, close: Close, key: Ed25519PrivateKey) -> Head:
    """Return the signed head of the log at a close."""
    (event,) = store.log.events("closes", close.id)
    head = Head(
        seq=event.seq,
        hash=event.hash,
        at=event.at,
        known=show_moment(close.known),
        period=close.period.key,
        root=close.root,
        public_key=public_text(key),
        signature="",
    )
    return replace(head, signature=key.sign(head.content()).hex())


def read_head(said: Mapping[str, Any]) -> Head:
    """Return a head from JSON. Raises ValueError where it is none, or its key did not sign it."""
    if set(said) != {field.name for field in fields(Head)}:
        raise ValueError(f"not a head: {', '.join(sorted(said))}"[:200])
    head = Head(**said)
    if not head.is_signed():
        raise ValueError(f"row {head.seq} is not signed with the key that it names")
    return head


def heads_text(heads: Sequence[Head]) -> str:
    """Return heads as text, a line of JSON each."""
    return "".join(json.dumps(asdict(head), ensure_ascii=False) + "\n" for head in heads)


def read_heads(text: str) -> list[Head]:
    """Return the heads of a text. Raises ValueError where a line is none, or is not signed."""
    return [read_head(json.loads(line)) for line in text.splitlines() if line.strip()]
