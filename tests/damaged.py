"""Damages files at random, the same way each time."""

from __future__ import annotations

import random

PUT_IN = [
    *(
        b"\0",
        b'"',
        b'""',
        b",",
        b",,,",
        b";",
        b"\t",
        b"\n",
        b"\r",
        b"\r\n\r\n",
        b"\xff",
        b"\xef\xbb\xbf",
    ),
    *(
        b"1e999",
        b"-",
        b"NaN",
        b"Infinity",
        b"9" * 60,
        b"0." + b"3" * 60,
        b"1,234",
        b"1.234,5",
        b"(12)",
    ),
    *(b"2024-13-45", b"0000-00-00", b"31/02/2024", b"9999-12-31T23:59:60Z", b"12/11/10", b"NULL"),
    *(
        "合计".encode(),
        "北".encode("gbk"),
        b"=1+1",
        b"'",
        b"{",
        b"]",
        b"\\u0000",
        b"\x1b[2J",
        b"PAR1",
    ),
]
"""What files are damaged with."""


def damaged(content: bytes, rng: random.Random) -> bytes:
    """Return the content with one to four things done to it."""
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(content) + 1)
        end = min(len(content), at + rng.choice((1, 1, 2, 8, 40)))
        what = rng.randrange(6)
        if what == 0:
            content = content[:at] + rng.choice(PUT_IN) + content[at:]
        elif what == 1:
            content = content[:at] + rng.choice(PUT_IN) + content[end:]
        elif what == 2:
            content = content[:at] + content[end:]
        elif what == 3:
            content = content[:end] + content[at:end] * rng.choice((1, 50)) + content[end:]
        elif what == 4:
            content = (
                content[:at] + bytes(rng.randrange(256) for _ in range(end - at)) + content[end:]
            )
        else:
            content = content[:at] if rng.random() < 0.3 else content
    return content
