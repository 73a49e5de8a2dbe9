"""IP addresses and networks from which a known system of the hospital connects."""

import ipaddress
import re
from collections.abc import Collection, Iterable
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from webportal.refusals import Conflict

_BETWEEN = re.compile(r"[\s,;]+")


class AddressError(Conflict):
    """An address cannot be used; the message says why."""


class AddressesField(forms.CharField):
    """A form field for addresses, which are returned in canonical form."""

    def __init__(self) -> None:
        super().__init__(
            label=gettext_lazy("Addresses"),
            max_length=500,
            help_text=gettext_lazy(
                "IP addresses or networks from which it connects, separated by spaces."
            ),
        )

    def clean(self, value: Any) -> list[str]:
        """The addresses; raises ValidationError."""
        try:
            return read_addresses([text for text in _BETWEEN.split(super().clean(value)) if text])
        except AddressError as error:
            raise forms.ValidationError(error.message) from None


def read_addresses(texts: Collection[str]) -> list[str]:
    """Return IP addresses and networks in canonical form, each once. Raises AddressError."""
    found: list[str] = []
    for text in texts:
        try:
            network = ipaddress.ip_network(text)
        except ValueError:
            raise AddressError(
                _(
                    "{text} is not an IP address or network. Write one such as 192.168.10.21 or"
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
