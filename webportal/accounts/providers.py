"""Whichever identity provider people sign in through: by OpenID Connect or by SAML."""

from django.conf import settings
from django.urls import reverse


def name() -> str:
    """What the sign-in page calls it; empty if there is none."""
    if settings.OIDC_ISSUER:
        return str(settings.OIDC_NAME)
    return str(settings.SAML_NAME) if settings.SAML_METADATA else ""


def address() -> str:
    """Where signing in through it begins; empty if there is none."""
    if not name():
        return ""
    return reverse("accounts:saml" if settings.SAML_METADATA else "accounts:oidc")
