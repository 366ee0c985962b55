"""Which addresses may be called."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_OWN = ("127.0.0.1", "::1", "localhost")


def through_tls(address: str) -> bool:
    """Whether what is sent to an address of the web is read by nobody on the way: by TLS, or because it does not leave this machine."""
    try:
        where = urlsplit(address)
        return bool(where.hostname) and (
            where.scheme == "https" or (where.scheme == "http" and where.hostname in _OWN)
        )
    except ValueError:
        return False


def open_to_all(address: str) -> bool:
    """Whether an address is of the open internet: also what it carries within it, where IPv6 leads to IPv4."""
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        carried = (
            found.ipv4_mapped
            or found.sixtofour
            or (found.teredo or (None, None))[1]
            or (ipaddress.IPv4Address(int(found) & 0xFFFFFFFF) if found in _NAT64 else None)
        )
        if carried and not carried.is_global:
            return False
    return found.is_global and not found.is_multicast
