"""URL × role × an object of another department: as if it did not exist.

Every address with an id needs a rule here: what the id is of, or that it is of nothing that belongs
to a department. People of a department ask for an object of another one, with every method that
their role may use, and get the answer that an id of nothing gets. No list shows such an object.
"""

import re
import uuid
from collections.abc import Callable
from functools import cached_property
from typing import Any

import pytest
from django.test import Client

from tests.factories import make_job, make_patient, make_prediction, make_radiograph, make_study
from tests.roles import METHODS, TABLE, R
from tests.test_roles import ADDRESSES
from webportal.accounts.models import GENERAL, Department, Role, User
from webportal.accounts.roles import ROLES_OF_ALL_DEPARTMENTS
from webportal.audit.models import AuditEntry
from webportal.inference.models import JobState
from webportal.intake.batches.services import create_batch
from webportal.intake.models import UploadItem, Verdict
from webportal.records.models import Series, Study
from webportal.review.models import Decision, Pneumonia, Read, ReadState

# What an id in an address is of, by its name, or for the API by the address up to it.
OF = {
    "study_id": "study",
    "patient_id": "patient",
    "radiograph_id": "radiograph",
    "prediction_id": "prediction",
    "read_id": "read",
    "job_id": "job",
    "batch_id": "batch",
    "item_id": "held",
    "study": "study_uid",
    "api/v1/studies/": "study",
    "api/v1/patients/": "patient",
    "api/v1/radiographs/": "radiograph",
    "api/v1/predictions/": "prediction",
    "api/v1/reads/": "read",
    "api/v1/jobs/": "job",
    "api/v1/batches/": "batch",
    "api/v1/held-files/": "held",
}
# Ids of what belongs to no department: accounts, and what hospital IT and auditors look after.
OF_NO_DEPARTMENT = {
    *("user_id", "session_id", "passkey_id", "token_key", "key", "view_id", "template_id"),
    *("model_id", "name", "node_id", "received_id", "fault_id", "pause_id", "hold_id"),
    *("destination_id", "protocol", "erasure_id", "source_id", "export_id", "commitment_id"),
    "request_id",  # of earlier studies, to a DICOM node
    "shadow_id",
    "entry_id",  # of the trail, left out of its export
    *("department_id", "access_id", "file_format", "notification_id", "api/v1/departments/"),
    *("api/v1/model-versions/", "api/v1/users/", "api/v1/dicom-nodes/"),
    *("api/v1/received-instances/", "api/v1/notifications/", "api/v1/erasures/"),
    "api/v1/research-exports/",
}
# Hospital IT and auditors look after all departments.
OF_DEPARTMENTS = [role for role in Role if role not in ROLES_OF_ALL_DEPARTMENTS]
SECRET = "ELSEWHERE-4711"
NAME = "Hidden^Person"


class World:
    """Things of a department to which nobody who asks belongs."""

    def __init__(self) -> None:
        self.department = Department.objects.create(name="Elsewhere")
        self.places: dict[str, str] = {}
        self.sender = User.objects.create_user("sender", None, [Role.UPLOADER])
        self.sender.departments.add(self.department)

    @cached_property
    def _study(self) -> Study:
        patient = make_patient(patient_id=SECRET, name=NAME)
        return make_study(
            department=self.department, patient=patient, accession_number=f"{SECRET}-A"
        )

    @cached_property
    def things(self) -> dict[str, Any]:
        """Each by the name that `OF` has."""
        series = Series.objects.create(study=self._study, series_instance_uid="2.25.77")
        radiograph = make_radiograph(self._study, series=series)
        self.places = {
            "series": "2.25.77",
            "instance": radiograph.sop_instance_uid,
            "frames": "1",
            "tag": "7FE00010",
        }
        job = make_job(make_radiograph(self._study), state=JobState.QUARANTINED)
        prediction = make_prediction(radiograph)
        read = Read.objects.create(
            study=self._study,
            reader=self.sender,
            state=ReadState.SIGNED,
            decision=Decision.UNAIDED,
            pneumonia=Pneumonia.NONE,
            signed_at=prediction.created_at,
        )
        batch = create_batch(self.sender, name=SECRET, department=self.department)
        held = UploadItem.objects.create(
            batch=batch,
            file_name=f"{SECRET}.dcm",
            sha256="0" * 64,
            size=1,
            verdict=Verdict.HELD,
            held_key="held/none",
            reason_code="no_identifier",
        )
        things = (self._study, self._study.patient, radiograph, job, prediction, read, batch, held)
        names = ("study", "patient", "radiograph", "job", "prediction", "read", "batch", "held")
        found = {name: thing.pk for name, thing in zip(names, things, strict=True)}
        return found | {"study_uid": self._study.study_instance_uid}

    @property
    def secrets(self) -> list[str]:
        """What no answer to others contains."""
        return [SECRET, "Hidden", *map(str, self.things.values())]


@pytest.fixture
def world(db: None) -> World:
    return World()


@pytest.fixture
def client_of(world: World) -> Callable[[Role], Client]:
    """Sign somebody of the department General in."""

    def make(role: Role) -> Client:
        person = User.objects.create_user(f"a-{role}", None, [role])
        person.departments.add(Department.objects.get(pk=GENERAL))
        client = Client()
        client.force_login(person)
        return client

    return make


def _named(address: str) -> str | None:
    """What the id of an address is of: a name of `World.things`, '' for nothing; None: no rule."""
    start, rest = address.split("<", 1)
    parameter = rest.split(">")[0].split(":")[-1]
    for rule in (start, parameter):
        if rule in OF:
            return OF[rule]
        if rule in OF_NO_DEPARTMENT:
            return ""
    return None


WITH_ID = [address for address in ADDRESSES if "<" in address]


def test_every_address_with_an_id_has_a_rule() -> None:
    assert [address for address in WITH_ID if _named(address) is None] == []


@pytest.mark.parametrize("role", OF_DEPARTMENTS)
def test_what_is_elsewhere_is_answered_as_what_does_not_exist(
    role: Role, world: World, client_of: Callable[[Role], Client]
) -> None:
    client, wrong = client_of(role), []
    for address in WITH_ID:
        name = _named(address)
        if not name:
            continue
        for method in METHODS:
            if role not in TABLE[address].get(method, ()):
                continue
            thing, nothing = str(world.things[name]), str(uuid.UUID(int=1))
            if name == "study_uid":
                nothing = "2.25.1"
            places = world.places
            asked = client.generic(method, _at(address, thing, places), "{}", "application/json")
            places = dict.fromkeys(places, "2.25.1")
            expected = client.generic(
                method, _at(address, nothing, places), "{}", "application/json"
            )
            if (asked.status_code, _words(asked, thing, *world.places.values())) != (
                expected.status_code,
                _words(expected, nothing, "2.25.1"),
            ):
                wrong.append(f"{method} {address}: {asked.status_code}, {expected.status_code}")
            if asked.status_code < 400 and asked.content not in (b"", b"[]"):
                wrong.append(f"{method} {address}: {asked.status_code}")
    assert wrong == []


@pytest.mark.parametrize("role", OF_DEPARTMENTS)
def test_no_list_shows_what_is_elsewhere(
    role: Role, world: World, client_of: Callable[[Role], Client]
) -> None:
    client, wrong = client_of(role), []
    secrets = world.secrets
    for address in ADDRESSES:
        if "<" in address or role not in TABLE[address].get("GET", ()):
            continue
        response = client.get(f"/{address}")
        body = b"".join(response) if response.streaming else response.content
        wrong += [f"{address}: {each}" for each in secrets if each.encode() in body]
    for address in ("patients/search", "worklist/search"):
        if role in TABLE[address]["POST"]:
            body = client.post(f"/{address}", {"text": "hidden"}, follow=True).content
            wrong += [f"{address}: {each}" for each in secrets if each.encode() in body]
    assert wrong == []


def test_the_walk_would_find_something(world: World, client_of: Callable[[Role], Client]) -> None:
    """Somebody of the other department sees each of them."""
    client = client_of(R)
    User.objects.get(username="a-radiologist").departments.set([world.department])
    for name in ("study", "patient", "batch"):
        address = {"study": "studies", "patient": "patients", "batch": "uploads"}[name]
        assert client.get(f"/{address}/{world.things[name]}").status_code == 200
    assert SECRET.encode() in client.get("/worklist").content


def test_a_refused_look_leaves_no_trace_in_the_trail_of_the_patient(
    world: World, client_of: Callable[[Role], Client]
) -> None:
    study = world.things["study"]
    client_of(R).get(f"/studies/{study}")
    viewed = AuditEntry.objects.filter(action="study.viewed", study_id=study)
    assert not viewed.exists()


def _at(address: str, key: str, places: dict[str, str]) -> str:
    """The address with the id, and for DICOMweb the UIDs, of what is within the study."""

    def fill(match: re.Match[str]) -> str:
        return places.get(match[1].split(":")[-1], key)

    return "/" + re.sub(r"<([^>]*)>", fill, address)


def _words(response: Any, *keys: str) -> str:
    """The answer without the ids, and what differs from answer to answer."""
    body = b"".join(response) if response.streaming else response.content
    text = body.decode()
    for key in keys:
        # Not the number of a frame.
        text = text.replace(key, "…") if len(key) > 3 else text
    return re.sub(r'(csrfmiddlewaretoken" value=|X-CSRFToken": |trace|nonce=)"[^"]*"', "", text)
