"""Sign-in by the hospital's directory: a real slapd in a process of its own."""

import logging
import time
from collections.abc import Callable

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import Settings

from tests.accounts.directory_sign_in import NEEDS_DIRECTORY, SECRET, make_due, send
from tests.accounts.ldap_server import DISABLED, GROUPS, NORMAL, PEOPLE, Directory
from tests.accounts.soft_passkey import SoftPasskey
from tests.conftest import PASSWORD
from tests.helpers import audit_actions, is_signed_in
from webportal.access.models import AccessEntry
from webportal.accounts import codes, services, throttle
from webportal.accounts.directory import people
from webportal.accounts.models import FederatedIdentity, PasswordAttempt, Role, User
from webportal.accounts.services import AccountError
from webportal.audit.models import Action, AuditEntry
from webportal.review.reads import authentication

pytestmark = NEEDS_DIRECTORY


def test_a_new_person_gets_an_account_with_the_roles_of_their_groups(
    client: Client, directory: Directory
) -> None:
    directory.knows("asha", SECRET, ["readers", "staff"])
    assert "password of your hospital account" in client.get("/sign-in").text
    assert send(client)[0] == 302
    assert client.get("/worklist").status_code == 200
    user = User.objects.get()
    assert (user.username, str(user), user.roles) == ("asha", "Asha Tester", ["radiologist"])
    assert not user.has_usable_password()
    assert audit_actions() == [Action.USER_CREATED, Action.IDENTITY_LINKED, Action.SIGNED_IN]
    assert AuditEntry.objects.latest("sequence").detail == {"directory": True}
    # Whom it knows stays the same person under another name.
    directory.joins(directory.renames(f"uid=asha,{PEOPLE}", "asha.new"), "readers")
    assert send(Client(), "asha.new")[0] == 302
    assert User.objects.count() == 1


def test_a_wrong_password_and_an_unknown_name_look_alike(
    client: Client, directory: Directory
) -> None:
    directory.knows("asha", SECRET, ["readers"])
    wrong, unknown = send(client, password="guess"), send(client, "nobody")
    assert (wrong[0], unknown[0]) == (200, 200)
    assert ("correct user name" in wrong[1], "correct user name" in unknown[1]) == (True, True)
    assert audit_actions() == [Action.SIGN_IN_FAILED] * 2
    assert not User.objects.exists()


@pytest.mark.parametrize("name", ["*", "as*", "asha)(uid=*", "ASHA ", "uid=asha", "a\0sha", "ásha"])
def test_no_name_but_ones_own_signs_in(client: Client, directory: Directory, name: str) -> None:
    directory.knows("asha", SECRET, ["readers"])
    assert people.sign_in(name, SECRET) is None
    assert people.sign_in("ASHA", "") is None
    assert people.sign_in("ASHA", SECRET) is not None


def test_names_in_other_letters_share_their_count_of_wrong_passwords(
    client: Client, directory: Directory
) -> None:
    directory.knows("asha", SECRET, ["readers"])
    for name in ("asha", "Asha", "aSha", "ASHA", "ａｓｈａ"):
        assert send(client, name, "guess")[0] == 200
    status, text = send(client)
    assert (status, "Wait" in text) == (429, True)
    # No wrong password reached the directory while throttled, and the wait ends.
    PasswordAttempt.objects.update(at=timezone.now() - throttle.COUNTED_FOR)
    assert send(client)[0] == 302


def test_groups_decide_as_they_do_at_the_identity_provider(
    client: Client, directory: Directory, settings: Settings
) -> None:
    dn = directory.knows("asha", SECRET, ["staff"])
    status, text = send(client)
    assert (status, "None of your groups" in text) == (403, True)
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.actor) == (Action.SIGN_IN_FAILED, "directory")
    assert [each.outcome for each in AccessEntry.objects.filter(outcome="failed")] == ["failed"]
    settings.ROLE_SEPARATION = "always"
    directory.joins(dn, "readers")
    directory.joins(dn, "informatics")
    assert "may not be combined" in send(client)[1]
    directory.leaves(dn, "informatics")
    assert send(client)[0] == 302
    settings.CREATE_USERS = False
    directory.knows("bina", SECRET, ["readers"])
    assert "no account bina" in send(Client(), "bina")[1]
    User.objects.update(is_active=False)
    assert "account is deactivated" in send(Client())[1]


def test_only_groups_below_their_base_count(client: Client, directory: Directory) -> None:
    dn = directory.knows("asha", SECRET, ["staff"])
    directory.joins(dn, "informatics", branch=PEOPLE)
    assert "None of your groups" in send(client)[1]


def test_the_directory_takes_over_an_account_and_its_password(
    client: Client, directory: Directory, make_user: Callable[..., User]
) -> None:
    known = make_user(Role.UPLOADER, username="Asha")
    token = services.create_token(known, "export")
    directory.knows("asha", SECRET, ["readers"])
    # Until then the local password signs in.
    assert send(Client(), "Asha", PASSWORD)[0] == 302
    assert send(client)[0] == 302
    known.refresh_from_db()
    assert (known.roles, known.has_usable_password()) == (["radiologist"], False)
    assert send(Client(), "Asha", PASSWORD)[0] == 200
    header = {"Authorization": f"Token {token}"}
    assert Client().get("/api/v1/studies", headers=header).status_code == 401
    changed = AuditEntry.objects.get(action=Action.PASSWORD_CHANGED)
    assert (changed.actor, changed.detail) == ("directory", {"removed": True})


def test_break_glass_accounts_and_nodes_are_never_asked_for(
    directory: Directory, settings: Settings, make_user: Callable[..., User]
) -> None:
    settings.BREAK_GLASS_USERS = ["emergency"]
    make_user(Role.IT, username="emergency")
    directory.knows("emergency", SECRET, ["informatics"])
    assert send(Client(), "emergency")[0] == 200
    assert send(Client(), "emergency", PASSWORD)[0] == 302
    assert not FederatedIdentity.objects.exists()


def test_a_removed_group_takes_effect_at_the_next_refresh(
    client: Client, directory: Directory
) -> None:
    dn = directory.knows("asha", SECRET, ["readers", "informatics"])
    directory.knows("bina", SECRET, ["informatics"])
    send(client)
    token = services.create_token(User.objects.get(), "export")
    header = {"Authorization": f"Token {token}"}
    directory.leaves(dn, "readers")
    assert client.get("/worklist").status_code == 200
    make_due()
    assert client.get("/worklist").status_code == 403
    assert client.get("/users").status_code == 200
    entry = AuditEntry.objects.filter(action=Action.USER_CHANGED).get()
    assert entry.detail == {"roles": {"from": ["it", "radiologist"], "to": ["it"]}}
    assert Client().get("/api/v1/users", headers=header).status_code == 200
    # The last group goes: so does the session, and what a token may do without one.
    directory.leaves(dn, "informatics")
    make_due()
    assert Client().get("/api/v1/users", headers=header).status_code == 401
    assert not is_signed_in(client)
    assert Client().get("/api/v1/users", headers=header).status_code == 403


@pytest.mark.parametrize("how", ["disabled", "removed"])
def test_a_user_who_has_left_is_signed_out_everywhere(directory: Directory, how: str) -> None:
    browsers = Client(), Client()
    dn = directory.knows("asha", SECRET, ["readers"])
    directory.knows("bina", SECRET, ["readers"])
    for browser in browsers:
        send(browser)
    token = services.create_token(User.objects.get(), "export")
    if how == "disabled":
        directory.sets(dn, "userAccountControl", DISABLED)
    else:
        directory.removes(dn)
    make_due()
    assert [is_signed_in(browser) for browser in browsers] == [False, False]
    header = {"Authorization": f"Token {token}"}
    assert Client().get("/api/v1/studies", headers=header).status_code == 401
    entry = AuditEntry.objects.get(action=Action.SIGNED_OUT)
    assert (entry.actor, entry.detail) == ("directory", {"directory": True, "sessions": 2})
    assert send(Client())[0] == 200
    if how == "disabled":
        directory.sets(dn, "userAccountControl", NORMAL)
        assert send(Client())[0] == 302


ASHA = f"dn.exact=uid=asha,{PEOPLE}"


@pytest.mark.parametrize(
    ("hidden", "words"),
    [
        (f"{ASHA} attrs=userAccountControl", "the userAccountControl of uid=asha"),
        (f"{ASHA} attrs=objectGUID", "the objectGUID of uid=asha"),
        (f"{ASHA} attrs=sAMAccountName", "the sAMAccountName of uid=asha"),
        (f"dn.children={PEOPLE}", "the objectGUID of anybody"),
        (f"dn.subtree={GROUPS} attrs=member", "the member of any group"),
        (f"dn.subtree={GROUPS} attrs=cn", "the cn of a group"),
    ],
)
def test_what_is_merely_hidden_ends_nobodys_access(
    hidden: str, words: str, directory: Directory, caplog: pytest.LogCaptureFixture
) -> None:
    dn = directory.knows("asha", SECRET, ["readers"])
    directory.knows("bina", SECRET, ["readers"])
    client, colleague = Client(), Client()
    send(client)
    send(colleague, "bina")
    user = User.objects.get(username="asha")
    header = {"Authorization": f"Token {services.create_token(user, 'export')}"}
    with directory.hiding(hidden):
        make_due()
        assert is_signed_in(client)
        assert Client().get("/api/v1/studies", headers=header).status_code == 200
        assert words in caplog.text
    user.refresh_from_db()
    assert user.roles == ["radiologist"]
    # It is asked about others meanwhile, and about this person again as soon as it shows them.
    directory.sets(dn, "userAccountControl", DISABLED)
    make_due()
    assert not is_signed_in(client)
    assert Client().get("/api/v1/studies", headers=header).status_code == 401
    assert is_signed_in(colleague)


def test_no_password_is_logged_or_stored(
    client: Client, directory: Directory, caplog: pytest.LogCaptureFixture
) -> None:
    directory.knows("asha", SECRET, ["readers"])
    with caplog.at_level(logging.DEBUG):
        send(client, password="guess of a password")
        send(client)
        services.confirm_password(User.objects.get(), SECRET)
    assert "refused a password" in caplog.text
    kept = "".join(
        str(list(model.objects.values_list()))
        for model in (AuditEntry, AccessEntry, User, PasswordAttempt, FederatedIdentity)
    )
    for text in (caplog.text, kept):
        assert SECRET not in text
        assert "guess of a password" not in text


def test_ones_directory_password_confirms_and_signs(
    client: Client, directory: Directory, settings: Settings
) -> None:
    directory.knows("asha", SECRET, ["readers"])
    send(client)
    user = User.objects.get()
    for wrong in ("guess", ""):
        with pytest.raises(AccountError, match="not your password"):
            authentication.confirm_signer(user, wrong, pin_is_open=False)
    authentication.confirm_signer(user, SECRET, pin_is_open=False)
    authentication.set_pin(user, SECRET, "274951")
    authentication.confirm_signer(user, "274951", pin_is_open=True)
    with pytest.raises(AccountError):
        authentication.confirm_signer(user, "274951", pin_is_open=False)
    # Tokens, in the portal and over REST.
    given = {"name": "export", "password": SECRET, "days": 30, "scope": "read"}
    assert client.post("/account/tokens", given).status_code == 200
    body = {"username": "asha", "password": SECRET, "name": "script"}
    answer = Client().post("/api/v1/tokens", body, content_type="application/json")
    assert answer.status_code == 201
    settings.LDAP_URL = "ldaps://127.0.0.1:9"
    with pytest.raises(AccountError, match="does not respond"):
        authentication.confirm_signer(user, SECRET, pin_is_open=False)
    answer = Client().post("/api/v1/tokens", body, content_type="application/json")
    problem = "urn:chestline:problem:directory-unreachable"
    assert (answer.status_code, answer.json()["type"]) == (503, problem)


def test_a_role_that_requires_a_second_factor_requires_it_here_too(
    directory: Directory, settings: Settings
) -> None:
    settings.REQUIRE_SECOND_FACTOR = ["radiologist"]
    client = Client(headers={"Host": "localhost"})
    directory.knows("asha", SECRET, ["readers"])
    directory.knows("bina", SECRET, ["readers"])
    send(client)
    assert client.get("/worklist").headers["Location"] == "/account/second-factor"
    user = User.objects.get()
    secret = codes.new_secret()
    codes.set_app(user, secret, int(time.time()) // codes.STEP_SECONDS - 10)
    other = Client()
    response = other.post("/sign-in", {"username": "asha", "password": SECRET})
    assert response.headers["Location"] == "/sign-in/second-step"
    code = codes.code_at(secret, int(time.time()) // codes.STEP_SECONDS)
    assert other.post("/sign-in/second-step", {"code": code}).status_code == 302
    detail = {"second_factor": "app", "directory": True}
    assert AuditEntry.objects.latest("sequence").detail == detail
    # A passkey signs in while the directory is down, and is refreshed when it is back.
    passkey = SoftPasskey()
    client.post("/account/confirm", {"password": SECRET})
    add = "/account/second-factor/passkeys"
    made = passkey.make(client.post(f"{add}/options").json())
    client.post(add, {"name": "Laptop", "passkey": made})
    client.post("/sign-out")
    asked = client.post("/sign-in/passkey/options").json()
    assert client.post("/sign-in/passkey", {"passkey": passkey.answer(asked)}).status_code == 302
    assert AuditEntry.objects.latest("sequence").detail == {"second_factor": "passkey"}
    directory.removes(f"uid=asha,{PEOPLE}")
    make_due()
    assert not is_signed_in(client)


def test_nobody_sets_a_local_password_beside_it(
    client: Client, directory: Directory, it_person: User, settings: Settings
) -> None:
    directory.knows("asha", SECRET, ["readers"])
    send(client)
    user = User.objects.get(username="asha")
    assert "Change password" not in client.get("/account/sessions").text
    new = "three ravens on a fence"
    given = {"current": SECRET, "new": new, "again": new}
    assert "kept in the hospital" in client.post("/account/password", given).text
    office = Client()
    office.force_login(it_person)
    page = office.get(f"/users/{user.pk}").text
    assert ("reset-password" in page, "keeps the password" in page) == (False, True)
    with pytest.raises(AccountError, match="kept in the hospital"):
        services.reset_password(user, it_person)
    user.refresh_from_db()
    assert not user.has_usable_password()
    # Without the directory, hospital IT can give them one.
    settings.LDAP_URL = ""
    assert services.reset_password(User.objects.get(pk=user.pk), it_person)


def test_local_passwords_can_be_restricted_to_break_glass_users(
    directory: Directory, settings: Settings, make_user: Callable[..., User]
) -> None:
    settings.LOCAL_SIGN_IN, settings.BREAK_GLASS_USERS = False, ["emergency"]
    make_user(Role.RADIOLOGIST, username="local")
    make_user(Role.IT, username="emergency")
    directory.knows("asha", SECRET, ["readers"])
    status, text = send(Client(), "local", PASSWORD)
    assert (status, "of your hospital account instead" in text) == (403, True)
    assert send(Client(), "emergency", PASSWORD)[0] == 302
    assert send(Client())[0] == 302
