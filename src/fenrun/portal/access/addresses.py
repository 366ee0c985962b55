"""Addresses of the network: which of them may be called."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

PORTS = (443, 8443)
"""The ports that are called on the open internet: a receiver's, and no other service's."""
_UNICAST = ipaddress.ip_network("2000::/3")
"""What of IPv6 is handed out to the internet: not site-local, nor NAT64 of one's own."""
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_MAPPED = ipaddress.ip_network("::ffff:0:0/96")
_ISATAP = (0x00005EFE, 0x02005EFE)
"""The third quarter of an IPv6 address whose last is an IPv4 address."""
_NOT_OPEN = tuple(
    map(
        ipaddress.ip_network,
        (
            "168.63.129.16/32",  # Azure's own services, asked from any of its machines
            "192.0.0.0/24",  # of protocols; Oracle's cloud answers there
            "192.88.99.0/24",  # relays to IPv6
            "3fff::/20",  # documentation
        ),
    )
)
"""Addresses that Python counts as global, and that lead to no receiver."""
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


def sender_of(address: str) -> str:
    """Return who an IP address counts as: of IPv6, whoever has one has 2^64 of them."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv4Address):
        return address
    return str(found.ipv4_mapped or ipaddress.ip_network((int(found), 64), strict=False))


def open_to_all(address: str) -> bool:
    """Return whether an IP address is of the open internet.

    Of an IPv6 address that leads to an IPv4 one, that one must be.
    """
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        carried = _carried(found)
        if carried and not _is_open(carried):
            return False
        if found in _NAT64 or found in _MAPPED:
            return True
        return found in _UNICAST and _is_open(found)
    return _is_open(found)


def _is_open(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    listed = any(address in network for network in _NOT_OPEN)
    return address.is_global and not address.is_multicast and not listed


def _carried(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """Return the IPv4 address to which an IPv6 address leads, if any."""
    is_isatap = int(address) >> 32 & 0xFFFFFFFF in _ISATAP
    if address in _NAT64 or is_isatap:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    _, teredo_client = address.teredo or (None, None)
    return address.ipv4_mapped or address.sixtofour or teredo_client
