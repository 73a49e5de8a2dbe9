"""Floods of sign-ins, genuine or not, do not disrupt work."""

import threading
from collections.abc import Callable, Iterator
from queue import Queue

import pytest
from django.conf import settings as configured
from django.contrib.auth.hashers import Argon2PasswordHasher, make_password
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from pytest_django.fixtures import Settings
from rest_framework.test import APIClient

from tests.accounts import held_hasher
from tests.conftest import PASSWORD
from webportal.accounts.models import PasswordAttempt, User
from webportal.accounts.services import confirm_password

AT_ONCE = configured.PASSWORD_HASHES_AT_ONCE


@pytest.fixture
def _held(settings: Settings, radiologist: User) -> Iterator[None]:
    held_hasher.may_end.clear()
    held_hasher.at_once = threading.Semaphore(0)
    held_hasher.most[0] = 0
    settings.PASSWORD_HASHERS = ["tests.accounts.held_hasher.HeldHasher"]
    yield
    held_hasher.may_end.set()


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("_held")
def test_hashing_is_limited_and_excess_requests_are_rejected_at_once(
    settings: Settings,
) -> None:
    answers: Queue[HttpResponse] = Queue()

    def try_one(number: int) -> None:
        values = {"username": f"name-{number}", "password": "wrong"}
        answers.put(Client().post("/sign-in", values, REMOTE_ADDR=f"192.0.2.{number}"))  # type: ignore[arg-type]
        connection.close()

    threads = [threading.Thread(target=try_one, args=[number]) for number in range(2 * AT_ONCE + 4)]
    for thread in threads:
        thread.start()
    # While the first are still at it, all others have their answer.
    refused = [answers.get(timeout=30) for _ in range(len(threads) - AT_ONCE)]
    assert held_hasher.may_end.is_set() is False
    for answer in refused:
        assert answer.status_code == 503
        assert answer["Retry-After"] == "3"
        assert "Try again in a few seconds" in answer.content.decode()
    answer = APIClient().post("/api/v1/tokens", {"username": "x", "password": "y", "name": "z"})
    assert (answer.status_code, answer.json()["type"]) == (503, "urn:chestline:problem:busy")
    assert answer["Retry-After"] == "3"

    held_hasher.may_end.set()
    for thread in threads:
        thread.join()
    assert [answers.get().status_code for _ in range(AT_ONCE)] == [200] * AT_ONCE
    assert held_hasher.most[0] == AT_ONCE
    # What was not looked at counts as no attempt: a name, an address and both, of each that was.
    assert PasswordAttempt.objects.count() == 3 * AT_ONCE


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("_held")
def test_a_flood_does_not_block_password_confirmation(
    radiologist: User, settings: Settings, sign_in: Callable[[User], Client]
) -> None:
    def flood() -> None:
        Client().post("/sign-in", {"username": "x", "password": "wrong"})
        connection.close()

    threads = [threading.Thread(target=flood) for _ in range(2 * AT_ONCE)]
    for thread in threads:
        thread.start()
    for _ in range(AT_ONCE):
        assert held_hasher.at_once.acquire(timeout=30)
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    confirm_password(radiologist, PASSWORD)
    assert sign_in(radiologist).get("/worklist").status_code == 200
    held_hasher.may_end.set()
    for thread in threads:
        thread.join()


@pytest.mark.django_db
def test_existing_passwords_are_rehashed_on_one_core(radiologist: User, settings: Settings) -> None:
    settings.PASSWORD_HASHERS = configured.PASSWORD_HASHERS
    former = Argon2PasswordHasher()
    User.objects.update(password=former.encode(PASSWORD, former.salt()))
    settings.PASSWORD_HASHERS = ["webportal.accounts.hashing.Argon2PasswordHasher"]
    assert Client().login(username=radiologist.username, password=PASSWORD)
    radiologist.refresh_from_db()
    assert ",p=1$" in radiologist.password
    assert make_password(PASSWORD).split("$")[:4] == radiologist.password.split("$")[:4]
