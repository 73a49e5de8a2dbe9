"""IP addresses and networks from which a known system of the hospital connects."""

import ipaddress
from collections.abc import Collection, Iterable

from django.utils.translation import gettext as _

from webportal.refusals import Conflict


class AddressError(Conflict):
    """An address cannot be used; the message says why."""


def read_addresses(texts: Collection[str]) -> list[str]:
    """Return IP addresses and networks in canonical form, each once. Raises AddressError."""
    found: list[str] = []
    for text in texts:
        try:
            network = ipaddress.ip_network(text)
        except ValueError:
            raise AddressError(
                _(
                    "{text} is no IP address or network. Write one such as 192.168.10.21 or"
                    " 192.168.10.0/24."
                ).format(text=text)
            ) from None
        single = network.num_addresses == 1
        found.append(str(network.network_address) if single else str(network))
    if not found:
        raise AddressError(_("Enter the addresses from which the device connects."))
    return list(dict.fromkeys(found))


def is_among(address: str, addresses: Iterable[str]) -> bool:
    """Whether an address is one of these, or within one of these networks."""
    caller = ipaddress.ip_address(address)
    if isinstance(caller, ipaddress.IPv6Address) and caller.ipv4_mapped is not None:
        caller = caller.ipv4_mapped
    return any(caller in ipaddress.ip_network(each) for each in addresses)


def overlap(some: Iterable[str], others: Collection[str]) -> bool:
    """Whether a system could call from one of the first and of the others alike."""
    networks = [ipaddress.ip_network(each) for each in others]
    return any(
        network.overlaps(other)
        for network in map(ipaddress.ip_network, some)
        for other in networks
        if network.version == other.version
    )
