"""The addresses of the servers, as the settings name them."""

from urllib.parse import urlsplit

TLS = "syslog+tls"
BARE_TCP = "syslog+tcp"


def is_syslog_address(text: str) -> bool:
    """Whether it is `syslog+tls://host:port` or, unencrypted, `syslog+tcp://host:port`."""
    try:
        address = urlsplit(text)
        port = address.port
    except ValueError:
        return False
    plain = f"{address.scheme}://{address.netloc}"
    return (
        address.scheme in (TLS, BARE_TCP)
        and bool(address.hostname and port)
        and "@" not in address.netloc
        and len(text) <= 300
        and text == plain
    )


def is_fhir_address(text: str) -> bool:
    """Whether it is `https://host/path`, the base of a FHIR server, with or without a port."""
    try:
        address = urlsplit(text)
        _port = address.port
    except ValueError:
        return False
    plain = f"{address.scheme}://{address.netloc}{address.path}"
    return (
        address.scheme == "https"
        and bool(address.hostname)
        and "@" not in address.netloc
        and len(text) <= 300
        and text == plain
        and not any(character.isspace() for character in text)
    )


def is_bearer_token(text: str) -> bool:
    """Whether a header can hold it; the error of a request with another one would show it."""
    return text.isascii() and text.isprintable() and not any(map(str.isspace, text))
