"""Whichever identity provider people sign in through: by OpenID Connect or by SAML."""

from django.conf import settings
from django.urls import reverse

from webportal.accounts.models import FederatedIdentity, User
from webportal.accounts.saml import provider as saml


def name() -> str:
    """The provider's name on the sign-in page; empty if there is none."""
    if settings.OIDC_ISSUER:
        return str(settings.OIDC_NAME)
    return str(settings.SAML_NAME) if settings.SAML_METADATA else ""


def is_of_provider(user: User) -> bool:
    """Whether the user's account is linked to the provider that is configured."""
    if not name():
        return False
    issuer = settings.OIDC_ISSUER or saml.issuer()
    return FederatedIdentity.objects.filter(user=user, issuer=issuer).exists()


def address() -> str:
    """The URL at which signing in through the provider begins; empty if there is none."""
    if not name():
        return ""
    return reverse("accounts:saml" if settings.SAML_METADATA else "accounts:oidc")
