"""Nothing that anybody but hospital IT is shown depends on a version in shadow mode.

Every page, file and endpoint is asked for with and without a trial and its results, by everybody
who may, and each answer has to be the same to the byte.
"""

import re
from pathlib import Path
from typing import Any, cast

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from deploy.local.system import ROOT
from tests.factories import make_prediction
from tests.oversight.cases import make_answer, make_shadow
from tests.roles import TABLE
from tests.test_departments import OF, OF_NO_DEPARTMENT, World
from webportal.accounts.models import Role, User
from webportal.audit.models import AuditEntry
from webportal.delivery.models import Delivery
from webportal.inference.health import queue_health
from webportal.inference.models import Job, Prediction
from webportal.notifications import run
from webportal.notifications.models import Notification
from webportal.oversight.models import Shadow, ShadowResult
from webportal.records.models import Study

pytestmark = pytest.mark.django_db

Answers = dict[str, tuple[int, bytes]]
READERS = {Role.RADIOLOGIST, Role.UPLOADER, Role.COORDINATOR}
# Tokens against forged requests, and of the policy for scripts; boundaries of DICOMweb; when a
# PDF file was made.
_CHANCE = re.compile(
    rb'name="csrfmiddlewaretoken" value="\w+"|"X-CSRFToken": "\w+"|csrf-token" content="\w+"'
    rb"|nonce-[\w+/=-]+|--[0-9a-f]{48}|/CreationDate \([^)]*\)|/ID \[[^\]]*\]|<xmp:CreateDate>[^<]*"
)


def filled(address: str, world: World) -> str:
    """The address with the ids of what is there."""
    things = world.things | world.places

    def value(match: re.Match[str]) -> str:
        start, parameter = address[: match.start()], match[1].split(":")[-1]
        name = OF.get(start) or OF.get(parameter)
        if name is None and parameter in OF_NO_DEPARTMENT:
            return str(things["study"])
        return str(things.get(name or parameter, things["study"]))

    return "/" + re.sub(r"<([^>]+)>", value, address)


def answers(world: World, clients: dict[Role, Client]) -> Answers:
    """What everybody is answered, by role and address."""
    found = {}
    for role, client in clients.items():
        for address, methods in TABLE.items():
            allowed = {Role(each) for each in methods.get("GET", ()) if each is not None}
            asked = READERS & allowed if role == Role.RADIOLOGIST else {role} & allowed
            if asked and "shadow" not in address:
                response: Any = client.get(filled(address, world))
                content = (
                    b"".join(response.streaming_content)
                    if response.streaming
                    else (response.content)
                )
                found[f"{role} {address}"] = response.status_code, _CHANCE.sub(b"", content)
    return found


def differing(before: Answers, after: Answers) -> list[str]:
    """Which answers differ, with the first line of each that does."""
    return [
        f"{name}: {_first_difference(before[name][1], content)}"
        for name, (status, content) in after.items()
        if before[name] != (status, content)
    ]


def _first_difference(one: bytes, other: bytes) -> str:
    lines = zip(one.splitlines(), other.splitlines(), strict=False)
    return str(next(((a[:200], b[:200]) for a, b in lines if a != b), "its length"))


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def clients(world: World) -> dict[Role, Client]:
    """Somebody who uploads and reads, and those who do neither, signed in."""
    found = {}
    # Hospital IT runs the trials, and auditors read that in the trail.
    for role in sorted(set(Role) - {Role.IT, Role.AUDITOR, Role.UPLOADER, Role.COORDINATOR}):
        roles = [role]
        if role == Role.RADIOLOGIST:
            roles += [Role.UPLOADER, Role.COORDINATOR]
        person = User.objects.create_user(f"a-{role}", None, roles)
        person.departments.add(world.department)
        found[role] = Client()
        found[role].force_login(person)
    return found


def try_in_the_shadow(by: User) -> Shadow:
    """A trial that says of every image what nobody has said of it."""
    shadow = make_shadow(by)
    for number, result in enumerate(Prediction.objects.filter(is_current=True)):
        make_answer(shadow, (0.111, 0.777, None)[number % 3], result)
    return shadow


def test_every_answer_is_the_same_to_the_byte(
    world: World,
    clients: dict[Role, Client],
    it_person: User,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for category in ("likely", "unlikely", "not_assessable"):
        make_prediction(category=category)
    # Both versions are registered before, and studies of the person's department are in.
    make_shadow(it_person).delete()
    Study.objects.update(department=world.department)
    # Pages say when they were made, or how long ago something was.
    now = timezone.now()
    monkeypatch.setattr("django.utils.timezone.now", lambda: now)
    answers(world, clients)  # what is shown for the first time may say so
    before = answers(world, clients)
    assert sum(status == 200 for status, _ in before.values()) > 100
    try_in_the_shadow(it_person)
    assert differing(before, answers(world, clients)) == []
    # The comparison would find a change of the active version's result.
    Prediction.objects.filter(pk=world.things["prediction"]).update(probability=0.99)
    Study.objects.exclude(probability=None).update(probability=0.99)
    reader = {Role.RADIOLOGIST: clients[Role.RADIOLOGIST]}
    assert len(differing(before, answers(world, reader))) > 5


def test_it_neither_notifies_nor_counts_nor_sends_nor_wakes_workers(
    it_person: User, radiologist: User
) -> None:
    make_prediction()
    run.create_due()

    def counts() -> list[Any]:
        run.create_due()
        with connection.cursor() as cursor:
            # KEDA asks this.
            scaling = ROOT / "deploy" / "helm" / "chestline" / "scaling.sql"
            cursor.execute(scaling.read_text())
            (unfinished,) = cursor.fetchone()
        health = queue_health()
        return [
            unfinished,
            health.all_queued,
            health.running,
            health.finished_last_hour,
            *(model.objects.count() for model in (Notification, Delivery, Job, Prediction)),
            AuditEntry.objects.exclude(action__startswith="shadow.").count(),
        ]

    before = counts()
    shadow = try_in_the_shadow(it_person)
    ShadowResult.objects.update(state="waiting", category="", probability=None, reason_code="")
    assert shadow.is_open
    assert counts() == before


def test_no_relation_leads_to_its_results() -> None:
    """Nothing that starts from a study, an image or a result can reach them."""
    for model, field in (
        (ShadowResult, "radiograph"),
        (ShadowResult, "prediction"),
        (Shadow, "model_version"),
        (Shadow, "beside"),
    ):
        assert cast("Any", model._meta.get_field(field)).remote_field.hidden


def test_no_statement_elsewhere_names_its_tables() -> None:
    tables = {model._meta.db_table for model in (Shadow, ShadowResult)}
    own = ROOT / "webportal" / "oversight"
    sources = [
        path
        for folder in ("webportal", "workers", "scheduler", "deploy")
        for path in (ROOT / folder).rglob("*")
        if path.suffix in (".py", ".sql", ".html", ".yaml") and "node_modules" not in path.parts
    ]
    assert len(sources) > 500
    named = [path for path in sources if any(table in path.read_text() for table in tables)]
    assert all(path.is_relative_to(own) for path in named)


def test_only_it_is_let_in(tmp_path: Path) -> None:
    ours = {name: row for name, row in TABLE.items() if name.startswith("models/shadow")}
    assert len(ours) == 5
    assert {roles for row in ours.values() for roles in row.values()} == {(Role.IT,)}
