"""A SAML identity provider: pysaml2 on the other side of the browser, with a key of its own.

pysaml2 signs by a program, xmlsec1, that few machines have; here the library of that name does it.
"""

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import xmlsec
from django.test import Client
from lxml import etree
from pytest_django.fixtures import Settings
from saml2 import BINDING_HTTP_POST, BINDING_HTTP_REDIRECT
from saml2.config import IdPConfig
from saml2.metadata import entity_descriptor
from saml2.saml import NAMEID_FORMAT_PERSISTENT, NameID
from saml2.server import Server
from saml2.sigver import CryptoBackend, RSACrypto, import_rsa_key_from_file

from tests.certificates import certificate

ADDRESS = "https://idp.hospital.example"
PORTAL = "https://testserver"
_BASIC = "urn:oasis:names:tc:SAML:2.0:attrname-format:basic"
_ALGORITHM = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"

#: The prefixes in paths to elements of a response.
NS = {
    "a": "urn:oasis:names:tc:SAML:2.0:assertion",
    "p": "urn:oasis:names:tc:SAML:2.0:protocol",
    "ds": "http://www.w3.org/2000/09/xmldsig#",
}


def _leave(root: Any) -> None:
    """Change nothing."""


class _Signer(CryptoBackend):  # type: ignore[misc]
    """Fills in the signatures that pysaml2 prepares."""

    def __init__(self, key: Path) -> None:
        self._key = key
        #: An attribute that a careless provider leaves out of SubjectConfirmationData.
        self.without = ""
        #: When the person was authenticated, if not just now.
        self.authenticated_at = ""
        #: What else it does to the assertion before it signs it.
        self.change: Callable[[Any], None] = _leave

    def sign_statement(self, statement: Any, node_name: str, key_file: str, node_id: str) -> str:
        content = statement if isinstance(statement, bytes) else str(statement).encode()
        root = etree.fromstring(content)
        for element in root.iter("{*}SubjectConfirmationData"):
            if self.without:
                del element.attrib[self.without]
        for element in root.iter("{*}AuthnStatement"):
            if self.authenticated_at:
                element.set("AuthnInstant", self.authenticated_at)
        self.change(root)
        # Read again, because lxml and xmlsec do not know of each other's changes.
        root = etree.fromstring(etree.tostring(root))
        xmlsec.tree.add_ids(root, ["ID"])
        node = root.xpath(f"//*[@ID='{node_id}']")[0]
        context = xmlsec.SignatureContext()
        context.key = xmlsec.Key.from_file(str(self._key), xmlsec.constants.KeyDataFormatPem)
        signature = node.find("{http://www.w3.org/2000/09/xmldsig#}Signature")
        context.sign(signature)
        signed: str = etree.tostring(root).decode()
        return signed


class SamlProvider:
    """The provider. What it says of people can be changed before it says it."""

    def __init__(self, folder: Path) -> None:
        certificate(folder, "idp")
        self._folder = folder
        self.metadata = str(entity_descriptor(self._config()))
        self._server: Any = None

    def knows(self, portal_metadata: bytes) -> None:
        """Take the portal's metadata, as its administrator would."""
        file = self._folder / "portal.xml"
        file.write_bytes(portal_metadata)
        self._server = Server(config=self._config(str(file)))
        key = self._folder / "idp.key"
        self._server.sec.crypto = _Signer(key)
        self._server.sec.sec_backend = RSACrypto(import_rsa_key_from_file(str(key)))

    def response(
        self,
        address: str,
        subject: str,
        *,
        sign: bool = True,
        without: str = "",
        authenticated_at: str = "",
        change: Callable[[Any], None] = _leave,
        name_format: str = NAMEID_FORMAT_PERSISTENT,
        **attributes: list[str],
    ) -> str:
        """The response to the request with which the portal sent the browser here, in Base64."""
        query = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
        self._server.sec.crypto.without = without
        self._server.sec.crypto.authenticated_at = authenticated_at
        self._server.sec.crypto.change = change
        asked = self._server.parse_authn_request(query["SAMLRequest"], BINDING_HTTP_REDIRECT)
        answered = self._server.create_authn_response(
            identity=attributes,
            userid=subject,
            name_id=NameID(format=name_format, text=subject),
            authn={"class_ref": "urn:oasis:names:tc:SAML:2.0:ac:classes:Password"},
            sign_assertion=sign,
            sign_response=False,
            sign_alg=_ALGORITHM,
            digest_alg="http://www.w3.org/2001/04/xmlenc#sha256",
            session_not_on_or_after=None,
            **self._server.response_args(asked.message, [BINDING_HTTP_POST]),
        )
        return base64.b64encode(str(answered).encode()).decode()

    def sign_in(self, client: Client, subject: str, target: str = "", **more: Any) -> Any:
        """Sign a person in to the portal by way of the provider; the portal's last answer."""
        start = client.get("/sign-in/saml", {"next": target}, secure=True)
        assert start.status_code == 302, start.text
        return self.post(client, self.response(start.headers["Location"], subject, **more))

    @staticmethod
    def post(client: Client, response: str) -> Any:
        """The browser brings a response to the portal."""
        return client.post("/sign-in/saml/acs", {"SAMLResponse": response}, secure=True)

    def logout(self, subject: str, *sessions: str, sign: bool = True) -> str:
        """Where the provider sends a browser to sign somebody out of the portal."""
        _, request = self._server.create_logout_request(
            f"{PORTAL}/sign-in/saml/logout",
            issuer_entity_id=f"{ADDRESS}/metadata",
            name_id=NameID(format=NAMEID_FORMAT_PERSISTENT, text=subject),
            session_indexes=list(sessions) or None,
            sign=False,
        )
        sent = self._server.apply_binding(
            BINDING_HTTP_REDIRECT,
            str(request),
            f"{PORTAL}/sign-in/saml/logout",
            relay_state="",
            sign=sign,
            sigalg=_ALGORITHM,
        )
        address = urlsplit(dict(sent["headers"])["Location"])
        return f"{address.path}?{address.query}"

    def _config(self, portal: str = "") -> IdPConfig:
        config: dict[str, Any] = {
            "entityid": f"{ADDRESS}/metadata",
            "key_file": str(self._folder / "idp.key"),
            "cert_file": str(self._folder / "idp.pem"),
            "crypto_backend": "XMLSecurity",
            "service": {
                "idp": {
                    "endpoints": {
                        "single_sign_on_service": [(f"{ADDRESS}/sso", BINDING_HTTP_REDIRECT)],
                        "single_logout_service": [(f"{ADDRESS}/slo", BINDING_HTTP_REDIRECT)],
                    },
                    "policy": {"default": {"lifetime": {"minutes": 5}, "name_form": _BASIC}},
                }
            },
        }
        if portal:
            config["metadata"] = {"local": [portal]}
        return IdPConfig().load(config)


def changed(response: str, old: str, new: str) -> str:
    """A response with a text replaced, as somebody on the way could."""
    text = base64.b64decode(response).decode()
    assert old in text
    return base64.b64encode(text.replace(old, new).encode()).decode()


def parts(response: str) -> Any:
    """Its XML."""
    return etree.fromstring(base64.b64decode(response))


def encoded(root: Any) -> str:
    """XML as a response."""
    return base64.b64encode(etree.tostring(root)).decode()


def begin(client: Client) -> str:
    """Where the portal sends the browser."""
    return str(client.get("/sign-in/saml", secure=True).headers["Location"])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the keys of both are, which take a while to make."""
    made = tmp_path_factory.mktemp("saml")
    certificate(made, "portal")
    certificate(made, "other")
    return made


@pytest.fixture(scope="module")
def made_provider(folder: Path) -> SamlProvider:
    """The provider itself, whose key takes a while to make, too."""
    return SamlProvider(folder)


@pytest.fixture
def provider(
    made_provider: SamlProvider, folder: Path, settings: Settings, client: Client
) -> SamlProvider:
    """The provider, and the portal set to it."""
    settings.SAML_METADATA = made_provider.metadata
    settings.SAML_NAME = "Bir Hospital"
    settings.SAML_KEY = (folder / "portal.key").read_text()
    settings.SAML_CERTIFICATE = (folder / "portal.pem").read_text()
    settings.SAML_FULL_NAME_ATTRIBUTE = "urn:mace:dir:attribute-def:displayName"
    settings.PORTAL_URL = PORTAL
    settings.CREATE_USERS = True
    settings.GROUP_ROLES = {"readers": ("radiologist",), "informatics": ("it",)}
    made_provider.knows(client.get("/sign-in/saml/metadata").content)
    return made_provider
