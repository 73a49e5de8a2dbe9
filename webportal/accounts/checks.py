"""System checks of account settings, which `manage.py prepare` runs before every start."""

from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import Error, register

from webportal.accounts.directory import channels, connection
from webportal.accounts.models import Role
from webportal.accounts.saml import provider as saml


@register()
def roles_are_known(**kwargs: Any) -> list[Error]:
    """REQUIRE_SECOND_FACTOR names existing roles."""
    unknown = sorted(set(settings.REQUIRE_SECOND_FACTOR) - set(Role.values))
    if not unknown:
        return []
    return [
        Error(
            f"REQUIRE_SECOND_FACTOR names {', '.join(unknown)}, which is not a role.",
            hint=f"The roles are {', '.join(Role.values)}.",
            id="accounts.E001",
        )
    ]


@register()
def identity_provider_is_complete(**kwargs: Any) -> list[Error]:
    """The identity provider's settings are complete and consistent."""
    found = []
    unknown = {role for roles in settings.GROUP_ROLES.values() for role in roles} - set(Role.values)
    if unknown:
        names = ", ".join(sorted(unknown))
        found.append(Error(f"GROUP_ROLES names {names}, which is not a role.", id="accounts.E002"))
    if settings.OIDC_ISSUER and not (settings.OIDC_CLIENT_ID and settings.OIDC_CLIENT_SECRET):
        message = "OIDC_ISSUER needs OIDC_CLIENT_ID and OIDC_CLIENT_SECRET."
        found.append(Error(message, id="accounts.E003"))
    address = urlsplit(settings.OIDC_ISSUER)
    if address.scheme == "http" and address.hostname not in ("localhost", "127.0.0.1", "::1"):
        message = "OIDC_ISSUER must begin with https: whoever is between could sign in as anybody."
        found.append(Error(message, id="accounts.E004"))
    ways = (settings.OIDC_ISSUER, settings.SAML_METADATA, settings.LDAP_URL)
    if not (settings.LOCAL_SIGN_IN or any(ways)):
        message = (
            "LOCAL_SIGN_IN is off, and OIDC_ISSUER, SAML_METADATA and LDAP_URL are empty, so that"
            " nobody could sign in."
        )
        found.append(Error(message, id="accounts.E005"))
    return found


@register()
def saml_is_complete(**kwargs: Any) -> list[Error]:
    """The settings of a provider by SAML are complete and consistent."""
    if not settings.SAML_METADATA:
        return []
    found = []
    if not saml.is_installed():
        message = "SAML_METADATA needs the extra saml (docs/sign-in.md)."
        return [Error(message, id="accounts.E011")]
    try:
        saml.issuer()
    except saml.MetadataError as error:
        message = f"SAML_METADATA is not the metadata of an identity provider: {error}."
        found.append(Error(message, id="accounts.E012"))
    if settings.OIDC_ISSUER:
        message = "OIDC_ISSUER and SAML_METADATA are both set: choose one of them."
        found.append(Error(message, id="accounts.E013"))
    address = urlsplit(settings.PORTAL_URL)
    if address.scheme != "https" and address.hostname != "localhost":
        message = "SAML_METADATA needs PORTAL_URL, the address that people open, with https."
        found.append(Error(message, id="accounts.E014"))
    if bool(settings.SAML_KEY) != bool(settings.SAML_CERTIFICATE):
        message = "SAML_KEY and SAML_CERTIFICATE belong together."
        found.append(Error(message, id="accounts.E015"))
    return found


@register()
def directory_is_complete(**kwargs: Any) -> list[Error]:
    """The directory's settings are complete and consistent."""
    if not settings.LDAP_URL:
        return []
    found = []
    if not connection.is_installed():
        message = "LDAP_URL needs the extra ldap (docs/sign-in.md)."
        found.append(Error(message, id="accounts.E006"))
    if not all(channels.is_safe(urlsplit(url)) for url in settings.LDAP_URL.split()):
        message = (
            "LDAP_URL must be ldaps://host, or several of them with spaces between: passwords are"
            " sent there. ldap:// is for a server on this machine."
        )
        found.append(Error(message, id="accounts.E007"))
    if not (settings.LDAP_BIND_DN and settings.LDAP_BIND_PASSWORD and settings.LDAP_PEOPLE_BASE):
        message = "LDAP_URL needs LDAP_BIND_DN, LDAP_BIND_PASSWORD and LDAP_PEOPLE_BASE."
        found.append(Error(message, id="accounts.E008"))
    if (settings.GROUP_ROLES or settings.GROUP_DEPARTMENTS) and not settings.LDAP_GROUP_BASE:
        message = "GROUP_ROLES and GROUP_DEPARTMENTS need LDAP_GROUP_BASE, where the groups are."
        found.append(Error(message, id="accounts.E009"))
    filters = settings.LDAP_PEOPLE_FILTER, settings.LDAP_GROUP_FILTER
    if "{dn}" not in filters[1] or not all(each.startswith("(") for each in filters):
        message = "Filters of LDAP have parentheses, and LDAP_GROUP_FILTER has {dn} for the person."
        found.append(Error(message, id="accounts.E010"))
    return found
