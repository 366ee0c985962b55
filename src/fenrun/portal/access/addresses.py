"""Addresses of the network: which of them may be called."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_THIS_MACHINE = ("127.0.0.1", "::1", "localhost")


def through_tls(address: str) -> bool:
    """Return whether nobody on the way reads what is sent to an address.

    That is so with TLS, or where it does not leave this machine.
    """
    try:
        where = urlsplit(address)
    except ValueError:
        return False
    if not where.hostname:
        return False
    local = where.scheme == "http" and where.hostname in _THIS_MACHINE
    return where.scheme == "https" or local


def open_to_all(address: str) -> bool:
    """Return whether an IP address is of the open internet.

    Of an IPv6 address that leads to an IPv4 one, both must be.
    """
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        carried = _carried(found)
        if carried and not carried.is_global:
            return False
    return found.is_global and not found.is_multicast


def _carried(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """Return the IPv4 address to which an IPv6 address leads, if any."""
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    _, teredo_client = address.teredo or (None, None)
    return address.ipv4_mapped or address.sixtofour or teredo_client
