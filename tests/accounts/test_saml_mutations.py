"""Whatever arrives as a response, signed or not, is answered, and never with a server error."""

import base64
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest

pytest.importorskip("onelogin", reason="the extra saml is not installed")
pytest.importorskip("saml2", reason="pysaml2 is not installed")

from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.accounts.saml_provider import (
    NS,
    SamlProvider,
    begin,
    encoded,
    folder,
    made_provider,
    parts,
    provider,
)
from tests.helpers import is_signed_in
from webportal.accounts.models import User

pytestmark = pytest.mark.django_db
__all__ = ["folder", "made_provider", "provider"]

ODD = [
    "",
    " ",
    "x" * 300,
    "-1",
    "2026-01-01T00:00:00",
    "2026-01-01T00:00:00+01:00",
    "2026-11-30T00:00:00.123456789Z",
    "9999-12-31T23:59:59Z",
    "0001-01-01T00:00:00Z",
    "99999-01-01T00:00:00Z",
    "NaN",
    "http://www.w3.org/2000/09/xmldsig#rsa-sha1",
    "urn:oasis:names:tc:SAML:2.0:cm:sender-vouches",
    "\u202e\u0661\u0967 Zażółć 胸部 😀",
]
_fuzz = settings(
    max_examples=20,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)


def mutate(root: Any, data: st.DataObject) -> None:
    """Change some things in the XML."""
    for _ in range(data.draw(st.integers(1, 3), label="changes")):
        _mutate(root, data)


def _mutate(root: Any, data: st.DataObject) -> None:
    """Change an attribute, a text, or which elements there are."""
    elements = list(root.iter(f"{{{NS['a']}}}*"))[1:]
    if not elements:
        return
    element = elements[data.draw(st.integers(0, len(elements) - 1), label="element")]
    kind = data.draw(
        st.sampled_from(["attribute", "no attribute", "text", "drop", "double", "move"]),
        label="kind",
    )
    if "attribute" in kind and element.attrib:
        name = data.draw(st.sampled_from(sorted(element.attrib)))
        if kind == "attribute":
            element.set(name, data.draw(st.sampled_from(ODD)))
        else:
            del element.attrib[name]
    elif kind == "drop":
        element.getparent().remove(element)
    elif kind == "double":
        element.addnext(deepcopy(element))
    elif kind == "move":
        others = [each for each in elements if each not in list(element.iter())]
        if others:
            others[data.draw(st.integers(0, len(others) - 1), label="to")].append(element)
    else:
        element.text = data.draw(st.sampled_from(ODD))


def test_what_was_changed_on_the_way_is_refused_and_nothing_fails(provider: SamlProvider) -> None:
    client = Client(raise_request_exception=False)
    unchanged = base64.b64decode(provider.response(begin(client), "asha", groups=["readers"]))

    @_fuzz
    @given(st.data())
    def check(data: st.DataObject) -> None:
        browser = Client(raise_request_exception=False)
        content = base64.b64decode(provider.response(begin(browser), "asha", groups=["readers"]))
        if data.draw(st.booleans(), label="as XML"):
            root = parts(base64.b64encode(content).decode())
            mutate(root.find("a:Assertion", NS), data)
            sent = encoded(root)
        else:
            broken = bytearray(content)
            for _ in range(data.draw(st.integers(1, 3))):
                broken[data.draw(st.integers(0, len(unchanged) - 100))] = data.draw(
                    st.integers(0, 255)
                )
            sent = base64.b64encode(bytes(broken)).decode()
        answer = provider.post(browser, sent)
        assert answer.status_code in (302, 422), answer.content
        # The signature covers the assertion: what it lets through says what was signed.
        assert is_signed_in(browser) == (answer.status_code == 302)
        assert {user.username for user in User.objects.all()} <= {"asha"}

    check()


def test_whatever_the_provider_signs_nothing_fails(provider: SamlProvider) -> None:
    """A careless provider's assertion, changed before it was signed."""
    answers = []

    @_fuzz
    @given(st.data())
    def check(data: st.DataObject) -> None:
        browser = Client(raise_request_exception=False)
        sent = provider.response(
            begin(browser),
            "asha",
            groups=["readers"],
            change=lambda root: mutate(root.find("a:Assertion", NS), data),
        )
        answer = provider.post(browser, sent)
        assert answer.status_code in (302, 422), answer.content
        answers.append(answer.status_code)

    check()
    # Some changes are harmless, so that the others were not refused for want of a signature.
    assert set(answers) == {302, 422}


def _without(name: str) -> Callable[[Any], None]:
    def change(root: Any) -> None:
        [confirmation] = root.iter(f"{{{NS['a']}}}SubjectConfirmation")
        other = deepcopy(confirmation)
        del other[0].attrib[name]
        confirmation.addprevious(other)

    return change


def _expired_beside_another_place(root: Any) -> None:
    """The library takes the one for a longer address, and would never look at the other."""
    [confirmation] = root.iter(f"{{{NS['a']}}}SubjectConfirmation")
    other = deepcopy(confirmation)
    other[0].set("Recipient", other[0].get("Recipient") + "/elsewhere")
    confirmation.addprevious(other)
    confirmation[0].set("NotOnOrAfter", "2020-01-01T00:00:00Z")


@pytest.mark.parametrize(
    "change",
    [
        _without("NotOnOrAfter"),
        _without("Recipient"),
        _without("InResponseTo"),
        _expired_beside_another_place,
    ],
)
def test_a_second_confirmation_cannot_take_the_limits_off(
    change: Callable[[Any], None], client: Client, provider: SamlProvider
) -> None:
    response = provider.response(begin(client), "asha", change=change, groups=["readers"])
    assert provider.post(client, response).status_code == 422
    assert not is_signed_in(client)


@pytest.mark.parametrize("subject", ["x" * 256, "", " "])
def test_an_identifier_that_cannot_be_stored_is_refused(
    subject: str, client: Client, provider: SamlProvider
) -> None:
    def change(root: Any) -> None:
        [name] = root.iter(f"{{{NS['a']}}}NameID")
        name.text = subject

    response = provider.response(begin(client), "asha", change=change, groups=["readers"])
    assert provider.post(client, response).status_code == 422
    assert not User.objects.exists()


def test_an_end_after_the_last_year_is_refused(client: Client, provider: SamlProvider) -> None:
    def change(root: Any) -> None:
        [confirmation] = root.iter(f"{{{NS['a']}}}SubjectConfirmation")
        confirmation[0].set("NotOnOrAfter", "9999-12-31T23:59:59Z")

    response = provider.response(begin(client), "asha", change=change, groups=["readers"])
    assert provider.post(client, response).status_code == 422
    assert not is_signed_in(client)
