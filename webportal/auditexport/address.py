"""The addresses of the servers to which the audit trail is sent, from the settings."""

from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

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
    """Whether it is `https://host/path`, the base URL of a FHIR server, with or without a port."""
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
    """Whether it fits into a header; otherwise the error of the request would show the token."""
    return text.isascii() and text.isprintable() and not any(map(str.isspace, text))


def syslog_address(text: str) -> str:
    """Return AUDIT_EXPORT, or '' if it is not set. Raises ImproperlyConfigured."""
    if text and not is_syslog_address(text):
        raise ImproperlyConfigured(
            "AUDIT_EXPORT must be syslog+tls://host:port (or syslog+tcp://host:port, unencrypted)."
        )
    return text


def fhir_address(text: str) -> str:
    """Return AUDIT_EXPORT_FHIR, or '' if it is not set. Raises ImproperlyConfigured."""
    if text and not is_fhir_address(text):
        raise ImproperlyConfigured(
            "AUDIT_EXPORT_FHIR must be the base address of a FHIR server, such as"
            " https://audit.hospital.example/fhir, without user or query."
        )
    return text


def bearer_token(text: str) -> str:
    """Return AUDIT_EXPORT_FHIR_TOKEN, or '' if it is not set. Raises ImproperlyConfigured."""
    token = text.strip()
    if token and not is_bearer_token(token):
        raise ImproperlyConfigured(
            "AUDIT_EXPORT_FHIR_TOKEN must be a bearer token alone: printable ASCII without spaces."
        )
    return token
