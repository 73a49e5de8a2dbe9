"""TLS of the listening sockets, after BCP 195."""

import ssl

from django.core.exceptions import ImproperlyConfigured

# RFC 9325 (BCP 195), for the profile of PS3.15 B.9: TLS 1.2 cipher suites; 1.3 has no weak ones.
_CIPHERS = "ECDHE+AESGCM:DHE+AESGCM"


def server_context(
    prefix: str, certificate: str, key: str, client_ca: str
) -> ssl.SSLContext | None:
    """The context of a server; None without a certificate. All are PEM files.

    With `client_ca`, clients need a certificate, too. `prefix` is that of the settings, for the
    message. Raises ImproperlyConfigured, OSError and ssl.SSLError.
    """
    if not certificate:
        if client_ca:
            raise ImproperlyConfigured(
                f"{prefix}_TLS_CLIENT_CA needs {prefix}_TLS_CERTIFICATE, too."
            )
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_CIPHERS)
    context.load_cert_chain(certificate, key or None)
    if client_ca:
        context.load_verify_locations(client_ca)
        context.verify_mode = ssl.CERT_REQUIRED
    return context
