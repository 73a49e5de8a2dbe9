"""The client address of a request, also behind proxies."""

from ipaddress import IPv6Address, ip_address

from django.conf import settings
from django.http import HttpRequest

UNKNOWN = "unknown"


def client_address(request: HttpRequest | None) -> str:
    """The address of the client; 'unknown' if the server provides none, as over a Unix socket.

    `PROXY_COUNT` proxies stand in front, and each appends its client to `X-Forwarded-For`. Entries
    further to the left were written by the client, and cannot be trusted.
    """
    if request is None:
        return UNKNOWN
    hops = [request.META.get("REMOTE_ADDR", "")]
    if settings.PROXY_COUNT:
        hops = [*request.headers.get("X-Forwarded-For", "").split(","), *hops]
    # A proxy that appends nothing would be skipped: then its own address is the best one known.
    place = -1 - settings.PROXY_COUNT
    address = hops[place] if len(hops) > settings.PROXY_COUNT else hops[-1]
    return _valid(address) or _valid(hops[-1]) or UNKNOWN


def network_of(address: str) -> str:
    """The address as used for counting: for IPv6 its /64, which a single host owns entirely."""
    try:
        found = ip_address(address)
    except ValueError:
        return address
    if isinstance(found, IPv6Address):
        return f"{IPv6Address(int(found) >> 64 << 64)}/64"
    return address


def _valid(address: str) -> str:
    try:
        found = ip_address(address.strip())
    except ValueError:
        return ""
    mapped = getattr(found, "ipv4_mapped", None)
    return str(mapped or found)
