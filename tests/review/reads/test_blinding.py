"""A second reader never sees the first read nor, if configured, the model's result."""

from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django.fixtures import Settings
from rest_framework.test import APIClient

from tests.conftest import PASSWORD
from tests.factories import make_prediction, make_radiograph, make_study
from tests.helpers import let_time_pass
from tests.reading import present_identity, sign
from webportal.accounts.models import Role, User
from webportal.inference.models import Prediction
from webportal.records.models import Study
from webportal.review.models import Read
from webportal.review.reads.blinding import (
    hidden_results,
    hides_result,
    sees_read,
    visible_reads,
)
from webportal.review.reads.services import Entry, ReadingError

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("twice")]

SECRET = "Words of the first reader alone"
RESULT = ("category-likely", "93 %")


@pytest.fixture
def first_reader(make_user: Callable[..., User]) -> User:
    return make_user(Role.RADIOLOGIST, username="first-reader")


@pytest.fixture
def prediction(first_reader: User) -> Prediction:
    """A result whose study the first reader has read and the second one has not."""
    prediction = make_prediction(category="likely")
    study = prediction.radiograph.study
    entry = Entry(prediction.pk, "overrule", "none", comment=SECRET)
    sign(study, first_reader, entry, PASSWORD)
    return prediction


@pytest.fixture
def study(prediction: Prediction) -> Study:
    return Study.objects.get(pk=prediction.radiograph.study_id)


@pytest.fixture
def following(study: Study) -> Study:
    """A later study of the same patient, whose page shows the timeline."""
    return make_radiograph(make_study(patient=study.patient)).study


def pages(study: Study, following: Study) -> list[str]:
    return [
        reverse("review:study", args=[study.pk]),
        reverse("review:status", args=[study.pk]),
        reverse("review:study", args=[following.pk]),
        reverse("records:patient", args=[study.patient_id]),
        reverse("review:worklist"),
        reverse("review:worklist") + "?state=all",
        reverse("review:worklist") + "?state=signed",
        reverse("review:worklist") + "?order=probability",
        reverse("review:case-record", args=[study.pk]),
        reverse("review:agreement"),
    ]


def addresses(study: Study, prediction: Prediction, first: Read) -> list[str]:
    api = "/api/v1"
    return [
        f"{api}/studies",
        f"{api}/studies/{study.pk}",
        f"{api}/studies/worklist",
        f"{api}/studies?category=likely",
        f"{api}/reads",
        f"{api}/reads?study={study.pk}",
        f"{api}/reads/{first.pk}",
        f"{api}/predictions",
        f"{api}/predictions/{prediction.pk}",
        f"{api}/jobs?study={study.pk}",
        f"{api}/studies/{study.pk}/draft",
    ]


def test_the_first_read_is_hidden_everywhere(
    radiologist: User,
    study: Study,
    following: Study,
    prediction: Prediction,
    sign_in: Callable[[User], Client],
) -> None:
    browser, program = sign_in(radiologist), APIClient()
    program.force_authenticate(radiologist)
    first = study.reads.get()
    texts = [browser.get(each).content.decode() for each in pages(study, following)]
    texts += [program.get(each).content.decode() for each in addresses(study, prediction, first)]
    for text in texts:
        assert SECRET not in text
        assert '"overrule"' not in text
        assert "by first-reader" not in text
    assert program.get(f"/api/v1/reads/{first.pk}").status_code == 404
    addendum = {"reason": "x", "text": "y", "password": PASSWORD}
    addendum["identity"] = present_identity(study)
    assert program.post(f"/api/v1/reads/{first.pk}/addenda", addendum).status_code == 404
    refused = browser.post(reverse("review:addendum", args=[study.pk]), {}, follow=True)
    assert SECRET not in refused.content.decode()
    # The model's result is not secret unless that is set.
    assert "93 %" in texts[0]


def test_the_model_is_hidden_too_if_configured(
    radiologist: User,
    study: Study,
    following: Study,
    prediction: Prediction,
    settings: Settings,
    sign_in: Callable[[User], Client],
) -> None:
    settings.SECOND_READING_BLIND_TO_AI = True
    browser, program = sign_in(radiologist), APIClient()
    program.force_authenticate(radiologist)
    heatmap = reverse("review:heatmap", args=[prediction.pk])
    for address in pages(study, following):
        text = browser.get(address).content.decode()
        assert not [word for word in RESULT if word in text], address
        assert heatmap not in text
        assert str(prediction.pk) not in text
    assert browser.get(heatmap).status_code == 404
    for address in addresses(study, prediction, study.reads.get()):
        text = program.get(address).content.decode()
        assert '"likely"' not in text, address
        assert "0.93" not in text, address
    chips = browser.get(reverse("review:worklist")).context["chips"]
    assert [str(chip.count) for chip, _address in chips if chip.label == "likely"] == ["0"]
    listed = browser.get(reverse("review:worklist") + "?category=likely").content.decode()
    assert str(study.pk) not in listed
    assert program.get("/api/v1/studies?category=likely").json()["count"] == 0
    assert program.get(f"/api/v1/predictions/{prediction.pk}/heatmap").status_code == 404
    # They sign without it, and not with it.
    aided = Entry(prediction.pk, "confirm", "definite")
    with pytest.raises(ReadingError) as refused:
        sign(study, radiologist, aided, PASSWORD)
    assert refused.value.code == "result_changed"
    read = sign(study, radiologist, Entry(None, "unaided", "definite"), PASSWORD)
    assert (read.kind, read.prediction) == ("second", None)
    # While they may take that back, and read again, they stay blind.
    for address in pages(study, following):
        text = browser.get(address).content.decode()
        assert not [word for word in (*RESULT, SECRET) if word in text], address
    let_time_pass()
    assert "93 %" in browser.get(pages(study, following)[0]).content.decode()


def test_each_reader_of_a_study_read_twice_sees_only_what_they_may(
    radiologist: User,
    first_reader: User,
    make_user: Callable[..., User],
    study: Study,
    prediction: Prediction,
    settings: Settings,
) -> None:
    settings.SECOND_READING_BLIND_TO_AI = True
    third = make_user(Role.RADIOLOGIST, username="third")
    auditor = make_user(Role.AUDITOR, username="auditor")

    def seen_by(person: User) -> str:
        reads = Read.objects.filter(visible_reads(person)).order_by("signed_at")
        assert [read for read in Read.objects.order_by("signed_at") if sees_read(person, read)] == [
            *reads
        ]
        hidden = Study.objects.filter(hidden_results(person)).exists()
        assert hidden == hides_result(person, study)
        return " ".join([*(read.kind for read in reads), "result" if not hidden else "-"])

    assert seen_by(first_reader) == "first result"
    assert seen_by(radiologist) == "-"
    assert seen_by(third) == "-"
    assert seen_by(auditor) == "first result"
    sign(study, radiologist, Entry(None, "unaided", "definite"), PASSWORD)
    # The second reader may take the read back and read again; to all others it is signed.
    assert seen_by(first_reader) == "first second result"
    assert seen_by(radiologist) == "second -"
    assert seen_by(third) == "first second result"
    assert seen_by(auditor) == "first second result"
    let_time_pass()
    assert seen_by(radiologist) == "first second result"


def test_the_first_reader_still_sees_their_own(
    first_reader: User, study: Study, following: Study, sign_in: Callable[[User], Client]
) -> None:
    browser = sign_in(first_reader)
    shown = browser.get(reverse("review:study", args=[study.pk])).content.decode()
    assert SECRET in shown
    assert "waits for a second reader" in shown
    assert 'name="choice"' not in shown
    assert SECRET in browser.get(pages(study, following)[3]).content.decode()


def test_the_arbiter_sees_both_reads(
    radiologist: User,
    make_user: Callable[..., User],
    study: Study,
    prediction: Prediction,
    sign_in: Callable[[User], Client],
) -> None:
    entry = Entry(prediction.pk, "confirm", "definite", comment="Words of the second one")
    sign(study, radiologist, entry, PASSWORD)
    arbiter = sign_in(make_user(Role.RADIOLOGIST, username="arbiter"))
    shown = arbiter.get(reverse("review:study", args=[study.pk])).content.decode()
    assert "Your read, as arbiter" in shown
    assert "Words of the second one" in shown
    assert SECRET in shown
    assert "Arbitration" in arbiter.get(reverse("review:worklist")).content.decode()


def test_figures_exclude_studies_awaiting_their_second_reader(
    radiologist: User, study: Study, sign_in: Callable[[User], Client]
) -> None:
    rows = sign_in(radiologist).get(reverse("review:agreement")).context["rows"]
    assert {row.figures.count for row in rows} == {0}
