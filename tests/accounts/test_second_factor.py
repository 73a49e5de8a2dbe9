"""The second factor: adding, requesting, requiring, removing and resetting it; single-use codes."""

import re
import time
from collections.abc import Callable

import pytest
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import Settings

from tests.conftest import PASSWORD
from tests.helpers import audit_actions, is_signed_in
from webportal.accounts import codes, second_factor, services, throttle
from webportal.accounts.encryption import UnreadableSecretError, decrypt
from webportal.accounts.models import Authenticator, PasswordAttempt, RecoveryCode, Role, User
from webportal.audit.models import Action, AuditEntry
from webportal.notifications.models import Notification, NotificationKind

pytestmark = pytest.mark.django_db
PAGE = "/account/second-factor"
MISSING = "urn:chestline:problem:second-factor-required"
# RFC 6238, appendix B, for SHA-1, the last six of its eight digits.
RFC_SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
RFC_CODES = {59: "287082", 1111111109: "081804", 1234567890: "005924", 20000000000: "353130"}


def now_step() -> int:
    return int(time.time()) // codes.STEP_SECONDS


def sign_in_by_password(client: Client, user: User, target: str = "") -> str:
    data = {"username": user.username, "password": PASSWORD, "next": target}
    return str(client.post("/sign-in", data).headers.get("Location"))


def send_code(client: Client, code: str) -> str:
    response = client.post("/sign-in/second-step", {"code": code})
    return response["Location"] if response.status_code == 302 else response.text


@pytest.fixture
def secret(radiologist: User) -> str:
    """The secret of the radiologist's app, none of whose present codes was used."""
    made = codes.new_secret()
    codes.set_app(radiologist, made, now_step() - 10)
    return made


@pytest.fixture
def recovery(radiologist: User, secret: str) -> list[str]:
    return second_factor.make_recovery_codes(radiologist)


@pytest.mark.parametrize("at", RFC_CODES)
def test_codes_match_the_test_vectors_of_the_standard(at: int) -> None:
    assert codes.code_at(RFC_SECRET, at // codes.STEP_SECONDS) == RFC_CODES[at]


def test_an_app_is_added_with_a_code_and_required_at_the_next_sign_in(
    client: Client, radiologist: User
) -> None:
    assert sign_in_by_password(client, radiologist) == "/"
    page = client.get(f"{PAGE}/app").text
    shown = re.search(r'id="app-secret">([A-Z2-7 ]+)<', page)
    assert shown
    secret = shown[1].replace(" ", "")
    assert "not this app’s current code" in client.post(f"{PAGE}/app", {"code": "000000"}).text
    code = codes.code_at(secret, now_step())
    recovery = re.findall(r'col">([a-z0-9-]+)<', client.post(f"{PAGE}/app", {"code": code}).text)
    assert len(recovery) == codes.RECOVERY_CODES
    assert Notification.objects.get().kind == NotificationKind.FACTOR_ADDED

    other = Client()
    assert sign_in_by_password(other, radiologist, "/worklist") == "/sign-in/second-step"
    assert not is_signed_in(other)
    # The code that proved the app is used.
    assert "was used before" in send_code(other, code)
    assert send_code(other, f" {codes.code_at(secret, now_step() + 1)} ") == "/worklist"
    assert is_signed_in(other)
    made = audit_actions(actor_id=radiologist.pk)
    assert made == [
        Action.SIGNED_IN,
        Action.FACTOR_ADDED,
        Action.RECOVERY_CODES_MADE,
        Action.SIGN_IN_FAILED,
        Action.SIGNED_IN,
    ]
    details = AuditEntry.objects.order_by("sequence").values_list("detail", flat=True)
    assert details[3] == {"second_factor": "code"}
    assert details[4] == {"second_factor": "app"}
    assert secret not in str(AuditEntry.objects.values_list())


def test_neither_a_used_code_nor_an_earlier_one_is_accepted(
    client: Client, radiologist: User, secret: str
) -> None:
    code = codes.code_at(secret, now_step())
    earlier = codes.code_at(secret, now_step() - 1)
    assert codes.use_app_code(radiologist, code)
    assert not codes.use_app_code(radiologist, code)
    assert not codes.use_app_code(radiologist, earlier)


def test_a_recovery_code_signs_in_once(
    client: Client, radiologist: User, recovery: list[str]
) -> None:
    sign_in_by_password(client, radiologist)
    assert send_code(client, recovery[0].upper()) == "/"
    other = Client()
    sign_in_by_password(other, radiologist)
    assert "wrong" in send_code(other, recovery[0])
    assert RecoveryCode.objects.count() == codes.RECOVERY_CODES - 1


def test_new_recovery_codes_invalidate_the_old_ones(
    client: Client, radiologist: User, recovery: list[str]
) -> None:
    second_factor.make_recovery_codes(radiologist)
    sign_in_by_password(client, radiologist)
    assert "wrong" in send_code(client, recovery[0])


def test_guessing_codes_is_slowed_down_and_passwords_are_not(
    client: Client, radiologist: User, secret: str
) -> None:
    sign_in_by_password(client, radiologist)
    for _ in range(throttle.ONE_CODE.free):
        assert "wrong" in send_code(client, "nothing")
    # Not even the right one is looked at.
    response = client.post("/sign-in/second-step", {"code": codes.code_at(secret, now_step())})
    assert response.status_code == 429
    assert "Too many wrong codes" in response.text
    assert not is_signed_in(client)
    # Another browser is no way round it, and the password there is still taken.
    other = Client()
    assert sign_in_by_password(other, radiologist) == "/sign-in/second-step"
    assert "Too many wrong codes" in send_code(other, codes.code_at(secret, now_step()))
    PasswordAttempt.objects.all().delete()
    assert send_code(client, codes.code_at(secret, now_step())) == "/"


def test_guesses_from_elsewhere_do_not_slow_down_a_known_browser(
    client: Client, radiologist: User, secret: str
) -> None:
    sign_in_by_password(client, radiologist)
    assert send_code(client, codes.code_at(secret, now_step() - 1)) == "/"
    client.post("/sign-out")
    stranger = Client()
    sign_in_by_password(stranger, radiologist)
    for _ in range(throttle.ONE_CODE.free + 1):
        send_code(stranger, "nothing")
    sign_in_by_password(client, radiologist)
    assert send_code(client, codes.code_at(secret, now_step())) == "/"


def test_a_day_of_guessing_succeeds_with_less_than_one_in_five_hundred() -> None:
    failures, seconds = 0, 0
    # The count forgets what is older than an hour, so that an hour is as good as the next one.
    while seconds < throttle.COUNTED_FOR.total_seconds():
        failures += 1
        seconds += max(1, throttle.ONE_CODE.seconds_after(failures))
    assert failures * 24 * (2 * codes.DRIFT_STEPS + 1) / 10**codes.DIGITS < 1 / 500


def test_the_second_step_expires_after_ten_minutes_or_deactivation(
    client: Client, radiologist: User, secret: str
) -> None:
    sign_in_by_password(client, radiologist)
    User.objects.update(is_active=False)
    assert client.get("/sign-in/second-step").headers["Location"] == "/sign-in"
    User.objects.update(is_active=True)
    session = client.session
    session["second_step"] |= {"until": time.time() - 1}
    session.save()
    assert send_code(client, codes.code_at(secret, now_step())) == "/sign-in"
    assert not is_signed_in(client)


def test_the_second_step_never_redirects_to_another_site(
    client: Client, radiologist: User, secret: str
) -> None:
    sign_in_by_password(client, radiologist, "https://elsewhere.example/")
    assert send_code(client, codes.code_at(secret, now_step())) == "/"


def test_a_role_that_requires_one_grants_nothing_without_it(
    client: Client, radiologist: User, settings: Settings
) -> None:
    settings.REQUIRE_SECOND_FACTOR = ["radiologist"]
    assert sign_in_by_password(client, radiologist) == "/"
    for address in ("/", "/worklist", "/account/tokens", "/notifications/"):
        assert client.get(address).headers["Location"] == PAGE
        assert client.post(address).headers["Location"] == PAGE
    page = client.get(PAGE).text
    assert "Your role requires a second factor" in page
    assert "Worklist" not in page
    refused = client.get("/api/v1/studies")
    assert (refused.status_code, refused.json()["type"]) == (403, MISSING)
    codes.set_app(radiologist, codes.new_secret(), now_step())
    assert client.get("/worklist").status_code == 200
    assert client.get("/api/v1/studies").status_code == 200


def test_other_roles_do_not_require_one(
    client: Client, radiologist: User, settings: Settings
) -> None:
    settings.REQUIRE_SECOND_FACTOR = ["it"]
    sign_in_by_password(client, radiologist)
    assert client.get("/worklist").status_code == 200


def test_the_last_one_cannot_be_removed_if_the_role_requires_it(
    client: Client, radiologist: User, secret: str, settings: Settings
) -> None:
    settings.REQUIRE_SECOND_FACTOR = ["radiologist"]
    sign_in_by_password(client, radiologist)
    send_code(client, codes.code_at(secret, now_step()))
    page = client.post(f"{PAGE}/app/remove", follow=True).text
    assert "Add another one before you remove this" in page
    assert Authenticator.objects.exists()


def test_an_unknown_role_in_the_setting_prevents_the_start(settings: Settings) -> None:
    settings.REQUIRE_SECOND_FACTOR = ["hospital_it"]
    with pytest.raises(SystemCheckError, match="hospital_it, which is not a role"):
        call_command("check")


def test_removing_it_is_notified_and_removes_the_recovery_codes(
    client: Client, radiologist: User, secret: str, recovery: list[str]
) -> None:
    sign_in_by_password(client, radiologist)
    send_code(client, codes.code_at(secret, now_step()))
    client.post(f"{PAGE}/app/remove")
    assert not second_factor.has_one(radiologist)
    assert not RecoveryCode.objects.exists()
    assert Notification.objects.get().kind == NotificationKind.FACTOR_REMOVED
    assert audit_actions()[-1] == Action.FACTOR_REMOVED
    assert sign_in_by_password(Client(), radiologist) == "/"


@pytest.mark.parametrize("address", ["app", "app/remove", "recovery-codes", "passkeys"])
def test_changes_require_the_password_again(
    client: Client, radiologist: User, secret: str, address: str
) -> None:
    sign_in_by_password(client, radiologist)
    send_code(client, codes.code_at(secret, now_step()))
    session = client.session
    session["confirmed_at"] = time.time() - 301
    session.save()
    assert client.post(f"{PAGE}/{address}").headers["Location"] == "/account/confirm"
    assert "Confirm your password" in client.get(PAGE).text
    assert "not your password" in client.post("/account/confirm", {"password": "wrong"}).text
    assert client.post(f"{PAGE}/{address}").headers["Location"] == "/account/confirm"
    assert client.post("/account/confirm", {"password": PASSWORD}).headers["Location"] == PAGE
    assert client.post(f"{PAGE}/{address}").headers.get("Location") != "/account/confirm"


def test_hospital_it_resets_it_and_its_owner_is_notified(
    sign_in: Callable[[User], Client], radiologist: User, it_person: User, secret: str
) -> None:
    owner = sign_in(radiologist)
    token = services.create_token(radiologist, "export")
    page = sign_in(it_person).post(f"/users/{radiologist.pk}/reset-second-factor", follow=True).text
    assert "has been removed, and they have been notified" in page
    assert not is_signed_in(owner)
    header = {"Authorization": f"Token {token}"}
    assert Client().get("/api/v1/studies", headers=header).status_code == 401
    assert Notification.objects.get(recipient=radiologist).kind == NotificationKind.FACTOR_RESET
    entry = AuditEntry.objects.get(action=Action.FACTORS_RESET)
    assert (entry.actor_id, entry.object_id) == (it_person.pk, str(radiologist.pk))
    # Their own password is as it was.
    assert sign_in_by_password(Client(), radiologist) == "/"


def test_nobody_resets_their_own(it_person: User) -> None:
    with pytest.raises(services.AccountError, match="your own"):
        second_factor.reset(it_person, it_person)


@pytest.mark.parametrize("first", ["password", "factor"])
def test_no_single_administrator_can_take_over_an_account(
    radiologist: User, it_person: User, make_user: Callable[..., User], secret: str, first: str
) -> None:
    other = make_user(Role.IT, username="other-it")
    halves = [services.reset_password, second_factor.reset]
    if first == "factor":
        halves.reverse()
    halves[0](radiologist, it_person)
    with pytest.raises(services.AccountError, match="another member of IT"):
        halves[1](radiologist, it_person)
    halves[1](radiologist, other)


@pytest.mark.parametrize("accounts", [("it", "puppet"), ("puppet", "it"), ("puppet", "another")])
def test_a_second_account_of_the_same_administrator_counts_as_theirs(
    radiologist: User, it_person: User, make_user: Callable[..., User], accounts: tuple[str, str]
) -> None:
    colleague = make_user(Role.IT, username="colleague")
    for name in ("puppet", "another"):
        services.create_user(name, "", ["it"], it_person)
    one, other = (User.objects.get(username=name) for name in accounts)
    services.reset_password(radiologist, one)
    services.change_own_password(radiologist, "lamp otter gravel")
    with pytest.raises(services.AccountError, match="another member of IT"):
        second_factor.reset(radiologist, other)
    second_factor.reset(radiologist, colleague)


def test_secrets_are_encrypted_and_keys_can_be_rotated(
    radiologist: User, secret: str, settings: Settings
) -> None:
    kept = Authenticator.objects.get().secret
    assert secret not in kept
    settings.SECOND_FACTOR_KEYS = ["a new key", *settings.SECOND_FACTOR_KEYS]
    assert decrypt(kept) == secret
    settings.SECOND_FACTOR_KEYS = ["a new key"]
    with pytest.raises(UnreadableSecretError):
        decrypt(kept)
    client = Client()
    sign_in_by_password(client, radiologist)
    assert "cannot read the secret" in send_code(client, codes.code_at(secret, now_step()))


def test_recovery_codes_are_stored_as_hashes(recovery: list[str]) -> None:
    kept = str(list(RecoveryCode.objects.values_list("digest", flat=True)))
    assert not any(code.replace("-", "") in kept for code in recovery)


def ask_for_token(user: User, **more: str) -> tuple[int, str]:
    data = {"username": user.username, "password": PASSWORD, "name": "export", **more}
    response = Client().post("/api/v1/tokens", data, content_type="application/json")
    return response.status_code, response.json().get("type", "")


def test_creating_a_token_requires_the_code(radiologist: User, secret: str) -> None:
    assert ask_for_token(radiologist) == (403, MISSING)
    assert ask_for_token(radiologist, code="123")[0] == 401
    assert ask_for_token(radiologist, code=codes.code_at(secret, now_step()))[0] == 201
    for _ in range(throttle.ONE_CODE.free):
        ask_for_token(radiologist, code="123")
    assert ask_for_token(radiologist, code="123") == (429, "urn:chestline:problem:throttled")


def test_a_new_user_whose_role_requires_one_gets_no_token(
    radiologist: User, settings: Settings
) -> None:
    settings.REQUIRE_SECOND_FACTOR = ["radiologist"]
    assert ask_for_token(radiologist) == (403, MISSING)


def test_the_page_says_when_codes_were_used(
    sign_in: Callable[[User], Client], radiologist: User, secret: str
) -> None:
    assert codes.use_app_code(radiologist, codes.code_at(secret, now_step()))
    page = sign_in(radiologist).get(PAGE).text
    assert f"last used: {timezone.now():%Y-%m-%d}" in page
