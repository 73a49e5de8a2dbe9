"""Reading workflow over REST: next, reservation, text templates, agreement."""

from collections.abc import Callable

import pytest
from rest_framework.test import APIClient

from tests.api.conftest import Call
from tests.conftest import PASSWORD
from tests.factories import make_prediction, make_study
from tests.reading import sign
from webportal.accounts.models import Role, User
from webportal.review.models import Reservation, TextTemplate
from webportal.review.reads.services import Entry

pytestmark = pytest.mark.django_db
NEXT = "/api/v1/studies/next"


@pytest.fixture
def other(make_user: Callable[..., User]) -> User:
    return make_user(Role.RADIOLOGIST, username="other")


@pytest.fixture
def client(radiologist: User, as_user: Call) -> APIClient:
    return as_user(radiologist)


def test_next_reserves_the_most_urgent_study_and_releases_it_on_request(
    client: APIClient, radiologist: User, other: User, as_user: Call
) -> None:
    routine, stat = make_study(), make_study(priority=0)
    taken = client.post(NEXT, {}).json()
    assert (taken["study"], taken["reader"]) == (str(stat.pk), str(radiologist.pk))
    assert as_user(other).post(NEXT, {}).json()["study"] == str(routine.pk)

    # The stat study is given back, and the other reader has all that is below it.
    left = client.post(NEXT, {"after": str(stat.pk)}, format="json")
    assert left.status_code == 204
    assert [each.study for each in Reservation.objects.all()] == [routine]


def test_a_reservation_names_its_reader_who_alone_can_release_it(
    client: APIClient, radiologist: User, other: User, as_user: Call
) -> None:
    address = f"/api/v1/studies/{make_study().pk}/reservation"
    assert client.put(address).json()["reader"] == str(radiologist.pk)
    refused = as_user(other).put(address)
    assert refused.status_code == 200
    assert refused.json()["reader_name"] == str(radiologist)
    assert as_user(other).delete(address).status_code == 204
    assert Reservation.objects.get().reader == radiologist
    assert client.delete(address).status_code == 204
    assert as_user(other).put(address).json()["reader"] == str(other.pk)


def test_templates_are_the_users_own_and_the_shared_ones(
    client: APIClient, radiologist: User, other: User
) -> None:
    for owner, key, text in (
        (None, "n", "Lungs clear."),
        (None, "e", "Effusion."),
        (radiologist, "n", "Own words."),
        (other, "x", "Not for others."),
    ):
        TextTemplate.objects.create(owner=owner, key=key, name="Text", text=text)
    texts = client.get("/api/v1/text-templates").json()
    found = [(each["key"], each["text"], each["is_shared"]) for each in texts]
    assert found == [("e", "Effusion.", True), ("n", "Own words.", False)]


def test_radiologists_also_get_their_own_agreement_and_hospital_it_the_pooled_one(
    client: APIClient, radiologist: User, other: User, it_person: User, as_user: Call
) -> None:
    for reader, category, decision, finding in (
        (radiologist, "likely", "confirm", "definite"),
        (radiologist, "unlikely", "confirm", "none"),
        (other, "unlikely", "overrule", "definite"),
    ):
        seen = make_prediction(category=category)
        sign(seen.radiograph.study, reader, Entry(seen.pk, decision, finding), PASSWORD)
    own, *_rest = client.get("/api/v1/agreement").json()
    assert (own["compared"], own["count"], own["kappa"]) == ("You and the model", 2, 1.0)
    pooled, *_rest = as_user(it_person).get("/api/v1/agreement").json()
    assert pooled["compared"] == "All readers and the model"
    table = [pooled[key] for key in ("both", "only_first", "only_second", "neither")]
    assert table == [1, 1, 0, 1]
    later = client.get("/api/v1/agreement", {"since": "2999-01-01"}).json()
    assert {each["count"] for each in later} == {0}


@pytest.mark.parametrize(
    ("method", "address"),
    [("post", NEXT), ("get", "/api/v1/text-templates"), ("get", "/api/v1/agreement")],
)
def test_uploaders_cannot_read_studies(
    method: str, address: str, uploader: User, as_user: Call
) -> None:
    assert getattr(as_user(uploader), method)(address).status_code == 403
