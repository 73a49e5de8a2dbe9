"""The identity provider as its metadata describes it, and the validation of its messages.

python3-saml checks signatures, times, audience and recipient. This module decides what has to be
signed, which request a response belongs to, and what may be used only once. The library is an extra
(`saml`) and imported only where SAML is used.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from importlib.util import find_spec
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings

from webportal.accounts.confirmation import SKEW_SECONDS
from webportal.accounts.federation import RefusedByProviderError

PATH = "/sign-in/saml"
TRANSIENT = "urn:oasis:names:tc:SAML:2.0:nameid-format:transient"
_ASSERTION = "urn:oasis:names:tc:SAML:2.0:assertion"
_REDIRECT = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect"
_POST = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST"
_UNSPECIFIED = "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified"
_SIGNED_WITH = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
_DIGEST = "http://www.w3.org/2001/04/xmlenc#sha256"
# The greatest age of a logout request, which also allows for different clocks.
_LOGOUT_SECONDS = 600


class MetadataError(Exception):
    """SAML_METADATA cannot be used; the text says why."""


@dataclass(frozen=True)
class VerifiedAssertion:
    """What a verified assertion states about its subject."""

    subject: str
    session_index: str
    attributes: dict[str, list[str]]
    #: An assertion may be used only once; after `until` it is refused on any clock.
    assertion_id: str
    until: datetime
    #: When the provider authenticated the person, perhaps for another service (Unix time).
    authenticated_at: int
    #: When our session has to end (SessionNotOnOrAfter, Unix time); 0 if it does not say.
    session_until: int


@dataclass(frozen=True)
class LogoutRequest:
    """A request to end sessions of a subject: all of them if it names none."""

    id: str
    subject: str
    session_indexes: list[str]
    #: Where the browser takes our LogoutResponse.
    response_address: str


def is_offered() -> bool:
    """Whether a provider is configured."""
    return bool(settings.SAML_METADATA)


def is_installed() -> bool:
    """Whether the extra `saml` is installed."""
    return find_spec("onelogin") is not None


def issuer() -> str:
    """The provider's entity ID, from its metadata."""
    name: str = _provider(settings.SAML_METADATA)["entityId"]
    return name


def authentication_request(*, reauthenticate: bool) -> tuple[str, str]:
    """The URL with an AuthnRequest to which the browser is redirected, and the request's ID.

    With `reauthenticate`, the provider has to authenticate the person even if they are signed in
    there (ForceAuthn).
    """
    made = _auth({}, {})
    # The provider need not know which page the user wanted.
    address: str = made.login(return_to=settings.PORTAL_URL, force_authn=reauthenticate)
    return address, made.get_last_request_id()


def verified_assertion(request_id: str, encoded: str) -> VerifiedAssertion:
    """The assertion in the base64-encoded response to our request. Raises RefusedByProviderError.

    It has to be signed, valid now, addressed to us, and in response to this request.
    """
    made = _auth({}, {"SAMLResponse": encoded})
    try:
        made.process_response(request_id=request_id)
        return _assertion_in(made, request_id)
    except RefusedByProviderError:
        raise
    except Exception as error:
        # On hostile XML the library passes on whatever its parsers raise: nobody is signed in.
        raise RefusedByProviderError(f"{type(error).__name__}: {error}") from error


def _assertion_in(made: Any, request_id: str) -> VerifiedAssertion:
    if made.get_errors() or not made.is_authenticated():
        raise RefusedByProviderError(str(made.get_last_error_reason() or made.get_errors()))
    if made.get_last_response_in_response_to() != request_id:
        raise RefusedByProviderError("it does not respond to a request of this browser")
    if made.get_nameid_format() == TRANSIENT:
        raise RefusedByProviderError(
            "its NameID is transient, which identifies nobody at the next sign-in: configure the"
            " provider to send a persistent one"
        )
    assertion = _assertion_of(made)
    return VerifiedAssertion(
        subject=made.get_nameid(),
        session_index=made.get_session_index() or "",
        attributes=made.get_attributes(),
        assertion_id=made.get_last_assertion_id(),
        until=_valid_until(made, assertion, request_id),
        authenticated_at=_authenticated_at(assertion),
        session_until=made.get_session_expiration() or 0,
    )


def _assertion_of(made: Any) -> Any:
    """The element of the assertion that was verified."""
    from onelogin.saml2.xml_utils import OneLogin_Saml2_XML as Xml

    root = Xml.to_etree(made.get_last_response_xml())
    verified = made.get_last_assertion_id()
    return next(
        each for each in root.iter(f"{{{_ASSERTION}}}Assertion") if each.get("ID") == verified
    )


def _authenticated_at(assertion: Any) -> int:
    from onelogin.saml2.utils import OneLogin_Saml2_Utils as Utils

    # The library has checked that there is one statement, and its schema that it has the time.
    [statement] = assertion.findall(f"{{{_ASSERTION}}}AuthnStatement")
    return int(Utils.parse_SAML_to_time(statement.get("AuthnInstant")))


def _valid_until(made: Any, assertion: Any, request_id: str) -> datetime:
    """The time after which no clock accepts the assertion, here and for this request.

    The library accepts a SubjectConfirmation without limits, and takes the limits of the enclosing
    response, which need not be signed.
    """
    from onelogin.saml2.utils import OneLogin_Saml2_Utils as Utils

    here = made.get_settings().get_sp_data()["assertionConsumerService"]["url"]
    limits = [
        tuple(data.get(name) for name in ("InResponseTo", "Recipient", "NotOnOrAfter"))
        for data in assertion.iter(f"{{{_ASSERTION}}}SubjectConfirmationData")
    ]
    if not all(all(each) for each in limits):
        raise RefusedByProviderError(
            "its SubjectConfirmationData lacks one of InResponseTo, Recipient and NotOnOrAfter"
        )
    times = [
        int(Utils.parse_SAML_to_time(until))
        for asked, recipient, until in limits
        if (asked, recipient) == (request_id, here)
    ]
    if not times or max(times) <= Utils.now():
        raise RefusedByProviderError(
            "no SubjectConfirmation is valid here and now for this request"
        )
    return datetime.fromtimestamp(max(times) + SKEW_SECONDS, UTC)


def logout_request(query: dict[str, str], raw_query: str) -> LogoutRequest:
    """The provider's signed LogoutRequest. Raises RefusedByProviderError."""
    made = _auth(query, {}, raw_query, wants_signed_messages=True)
    try:
        response_address = made.process_slo(keep_local_session=True)
        if made.get_errors() or "SAMLRequest" not in query:
            raise RefusedByProviderError(str(made.get_last_error_reason() or made.get_errors()))
        return _request_in(made, response_address)
    except RefusedByProviderError:
        raise
    except Exception as error:
        # As in verified_assertion: nobody is signed out.
        raise RefusedByProviderError(f"{type(error).__name__}: {error}") from error


def own_metadata() -> bytes:
    """Our metadata as a service provider, as XML."""
    made: str | bytes = _auth({}, {}).get_settings().get_sp_metadata()
    return made if isinstance(made, bytes) else made.encode()


def _request_in(made: Any, response_address: str) -> LogoutRequest:
    from onelogin.saml2.logout_request import OneLogin_Saml2_Logout_Request as Request
    from onelogin.saml2.utils import OneLogin_Saml2_Utils as Utils
    from onelogin.saml2.xml_utils import OneLogin_Saml2_XML as Xml

    xml = made.get_last_request_xml()
    issued = Utils.parse_SAML_to_time(Xml.to_etree(xml).get("IssueInstant"))
    # NotOnOrAfter, which the library checks, is optional, and the URL stays in browser histories.
    if abs(Utils.now() - issued) > _LOGOUT_SECONDS:
        raise RefusedByProviderError("it is older than ten minutes")
    subject = Request.get_nameid(xml, made.get_settings().get_sp_key())
    return LogoutRequest(
        made.get_last_message_id(),
        subject,
        list(Request.get_session_indexes(xml)),
        response_address,
    )


def _auth(
    query: dict[str, str],
    posted: dict[str, str],
    raw_query: str = "",
    *,
    wants_signed_messages: bool = False,
) -> Any:
    """python3-saml's object for one request, with our address as PORTAL_URL has it."""
    from onelogin.saml2.auth import OneLogin_Saml2_Auth

    address = urlsplit(settings.PORTAL_URL)
    path = f"{PATH}/logout" if query else f"{PATH}/acs"
    request = {
        "https": "on" if address.scheme == "https" else "off",
        "http_host": address.netloc,
        "script_name": path,
        "get_data": query,
        "post_data": posted,
        "query_string": raw_query,
        "validate_signature_from_qs": True,
    }
    return OneLogin_Saml2_Auth(request, _configuration(wants_signed_messages))


def _configuration(wants_signed_messages: bool) -> dict[str, Any]:
    base = f"{settings.PORTAL_URL.rstrip('/')}{PATH}"
    signs = bool(settings.SAML_KEY)
    return {
        "strict": True,
        "debug": False,
        "sp": {
            "entityId": f"{base}/metadata",
            "assertionConsumerService": {"url": f"{base}/acs", "binding": _POST},
            "singleLogoutService": {"url": f"{base}/logout", "binding": _REDIRECT},
            "NameIDFormat": _UNSPECIFIED,
            "x509cert": settings.SAML_CERTIFICATE,
            "privateKey": settings.SAML_KEY,
        },
        "idp": _provider(settings.SAML_METADATA),
        "security": {
            "wantAssertionsSigned": True,
            "wantMessagesSigned": wants_signed_messages,
            "wantNameId": True,
            "wantAttributeStatement": False,
            "authnRequestsSigned": signs,
            "logoutResponseSigned": signs,
            "signMetadata": False,
            "signatureAlgorithm": _SIGNED_WITH,
            "digestAlgorithm": _DIGEST,
            "rejectDeprecatedAlgorithm": True,
            "rejectUnsolicitedResponsesWithInResponseTo": True,
            "requestedAuthnContext": False,
            "allowSingleLabelDomains": True,
        },
    }


@cache
def _provider(metadata: str) -> dict[str, Any]:
    """The configuration taken from the metadata. Raises MetadataError."""
    from onelogin.saml2.idp_metadata_parser import OneLogin_Saml2_IdPMetadataParser as Parser

    try:
        found: dict[str, Any] = Parser.parse(
            metadata, required_sso_binding=_REDIRECT, required_slo_binding=_REDIRECT
        ).get("idp", {})
    except Exception as error:
        raise MetadataError(f"it cannot be read ({type(error).__name__})") from error
    if not found.get("entityId") or not found.get("singleSignOnService"):
        raise MetadataError("it has no identity provider with the HTTP-Redirect binding")
    if not (found.get("x509cert") or found.get("x509certMulti")):
        raise MetadataError("it has no signing certificate")
    return found
