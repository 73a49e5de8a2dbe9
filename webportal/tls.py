"""TLS of the listening sockets and of outgoing connections, after BCP 195."""

import ssl

from django.conf import settings
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


def client_context() -> ssl.SSLContext:
    """The context of outgoing connections, with the authorities that are trusted.

    It has the receiver's certificate, if there is one, for peers that require one of their clients.
    Raises OSError, which includes ssl.SSLError, for certificates that cannot be read.
    """
    context = ssl.create_default_context(cafile=settings.DELIVERY_CA or None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if settings.DICOM_TLS_CERTIFICATE:
        context.load_cert_chain(settings.DICOM_TLS_CERTIFICATE, settings.DICOM_TLS_KEY or None)
    return context
