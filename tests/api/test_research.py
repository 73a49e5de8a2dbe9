"""Research exports by REST: asked for, waited for, fetched and removed."""

import io
import zipfile
from collections.abc import Callable

import pytest

from tests.api.conftest import Call
from tests.helpers import audit_actions
from tests.research.test_exports import study_with
from webportal.access.models import AccessEntry, AccessKind
from webportal.accounts.models import Department, Role, User
from webportal.audit.models import Action
from webportal.research import building
from webportal.research.models import Removal, ResearchExport

pytestmark = pytest.mark.django_db

PLACE = "/api/v1/research-exports"
ASKED = {"purpose": "Protocol 7", "signed_only": False}


@pytest.fixture
def researcher(make_user: Callable[..., User]) -> User:
    return make_user(Role.RESEARCHER)


def test_an_export_is_asked_for_and_fetched(as_user: Call, researcher: User) -> None:
    study = study_with()
    client = as_user(researcher)
    asked = client.post(PLACE, ASKED, format="json").json()
    assert (asked["state"], asked["total"]) == ("waiting", 1)
    place = f"{PLACE}/{asked['id']}"
    assert client.get(f"{place}/file").status_code == 409
    again = client.post(PLACE, ASKED, format="json")
    assert (again.status_code, again.json()["type"]) == (409, "urn:chestline:problem:conflict")
    building.make_waiting()
    made = client.get(place).json()
    assert (made["state"], made["counts"]["images"]) == ("ready", 1)
    answer = client.get(f"{place}/file")
    assert answer["Content-Type"] == "application/zip"
    names = zipfile.ZipFile(io.BytesIO(b"".join(answer))).namelist()
    assert "manifest.json" in names
    entry = AccessEntry.objects.get(kind=AccessKind.EXPORT)
    assert entry.study_ids == [study.pk]
    assert client.delete(place).status_code == 204
    assert client.get(f"{place}/file").status_code == 409
    assert ResearchExport.objects.get().removal == Removal.BY_PERSON
    assert audit_actions(actor=researcher.username, object_type="research_export") == [
        Action.RESEARCH_REQUESTED,
        Action.RESEARCH_DOWNLOADED,
        Action.RESEARCH_REMOVED,
    ]


def test_only_its_researcher_sees_an_export(
    as_user: Call, researcher: User, make_user: Callable[..., User]
) -> None:
    study_with()
    place = f"{PLACE}/{as_user(researcher).post(PLACE, ASKED, format='json').json()['id']}"
    building.make_waiting()
    other = as_user(make_user(Role.RESEARCHER, username="other"))
    assert other.get(PLACE).json()["results"] == []
    assert [other.get(place).status_code, other.get(f"{place}/file").status_code] == [404, 404]
    assert other.delete(place).status_code == 404
    assert ResearchExport.objects.get().key


@pytest.mark.parametrize(
    "wrong",
    [
        {"purpose": ""},
        {"since": "2026-05-02", "until": "2026-05-01"},
        {"category": "unknown"},
        {"department": "elsewhere"},
    ],
)
def test_what_cannot_be_asked_for_is_refused(
    as_user: Call, researcher: User, wrong: dict[str, str]
) -> None:
    study_with()
    elsewhere = Department.objects.create(name="Elsewhere")
    if "department" in wrong:
        wrong = {"department": str(elsewhere.pk)}
    answer = as_user(researcher).post(PLACE, ASKED | wrong, format="json")
    assert answer.status_code == 400, answer.json()
    assert not ResearchExport.objects.exists()
