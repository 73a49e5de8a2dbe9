"""No place, count, filter or order tells a blind second reader what the model said of a study.

The same questions are asked twice, with other results of the studies that are read blind, and each
answer has to be the same to the letter.
"""

import re
import uuid
from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import product
from typing import Any

import pytest
from django.core.cache import cache
from django.http import QueryDict
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django.fixtures import Settings
from rest_framework.test import APIClient

from tests.factories import (
    PROBABILITIES,
    make_patient,
    make_prediction,
    make_radiograph,
    make_study,
)
from webportal.accounts.models import Role, User
from webportal.inference.models import Job, JobState, Prediction
from webportal.intake.batches import services
from webportal.intake.models import UploadBatch, UploadItem, Verdict
from webportal.notifications import run
from webportal.notifications.models import Notification, NotificationKind
from webportal.records.choices import Category, Concern
from webportal.records.models import Study
from webportal.review.models import Read, Reservation, SecondReading
from webportal.review.reads.reservation import peek_next, reserve_next
from webportal.review.worklist.columns import COLUMNS, remember_columns
from webportal.review.worklist.counts import tab_counts
from webportal.review.worklist.filters import (
    QUEUE_STATES,
    WorklistFilter,
    matching,
    order_of,
    readers,
)
from webportal.review.worklist.order import ORDERS

pytestmark = pytest.mark.django_db

STATES = ["unread", "second", "signed", "all"]
RESULTS = list(PROBABILITIES)
DICOMWEB = "/dicom-web/"


@pytest.fixture(autouse=True)
def _blind(settings: Settings) -> None:
    settings.SECOND_READING = True
    settings.SECOND_READING_BLIND_TO_AI = True


@pytest.fixture
def reader(make_user: Callable[..., User]) -> User:
    person = make_user(Role.RADIOLOGIST, Role.UPLOADER, username="reader")
    remember_columns(person, COLUMNS)
    return person


@pytest.fixture
def batch(reader: User) -> UploadBatch:
    return services.create_batch(reader, name="Night")


@pytest.fixture
def blind(batch: UploadBatch) -> list[Study]:
    """Studies that wait for their second read among as many of each result that do not."""
    blind = []
    for number, result in enumerate(RESULTS * 2):
        for waits in (True, False):
            patient = make_patient(name=f"Patient^{number}{waits}")
            study = make_study(patient=patient, priority=number % 2, accession_number="ACC")
            radiograph = make_radiograph(study)
            UploadItem.objects.create(
                batch=batch,
                file_name=f"{number}-{waits}.png",
                sha256=radiograph.original_sha256,
                size=1,
                verdict=Verdict.ACCEPTED,
                radiograph=radiograph,
            )
            make_prediction(radiograph, result)
            hours = 2 * number + waits
            received = timezone.now() - timedelta(days=2, hours=hours)
            Study.objects.filter(pk=study.pk).update(created_at=received)
            if waits:
                SecondReading.objects.create(study=study, reason="drawn")
                blind.append(study)
    return blind


def give_other_results(studies: list[Study]) -> None:
    """Let the model have said something else of each study, and never what it had said."""
    for study in studies:
        study.refresh_from_db()
        other = RESULTS[(RESULTS.index(Category(study.category)) + 1) % len(RESULTS)]
        refused = other == Category.NOT_ASSESSABLE
        probability = None if refused else {"likely": 0.93}.get(other, 0.1)
        Prediction.objects.filter(radiograph__study=study).update(
            category=other,
            probability=probability,
            reason_params={"text": "Not frontal."} if refused else {},
            reason_code="x" if refused else "",
        )
        Job.objects.filter(study=study).update(
            state=JobState.REFUSED if refused else JobState.DONE,
            reason_params={"text": "Not frontal."} if refused else {},
            reason_code="x" if refused else "",
        )
        Study.objects.filter(pk=study.pk).update(
            category=other, probability=probability, concern=Concern[other.name]
        )


ORDERED = ["", *(f"order={each}" for each in ORDERS)]
FILTERED = [
    "",
    *(f"category={each}" for each in [*RESULTS, "none"]),
    *(f"queue={each}" for each, _ in QUEUE_STATES),
    "priority=0",
    "assigned=none",
    "since=2020-01-01",
]


def lists(reader: User) -> dict[str, list[uuid.UUID]]:
    """What the worklist lists in every order with every filter.

    Each combination as a page would take most of the time of all these tests.
    """
    people, found = list(readers(reader)), {}
    for state, order, each in product(STATES, ORDERED, FILTERED):
        query = f"state={state}&{order}&{each}"
        chosen = WorklistFilter(QueryDict(query), people).chosen()
        studies = order_of(chosen).sort(matching(chosen, "", reader))
        found[query] = list(studies.values_list("pk", flat=True))
    return found


def pages(blind: list[Study], batch: UploadBatch) -> Iterator[str]:
    """The worklist by state, order and filter, and where else these studies are shown."""
    worklist = reverse("review:worklist")
    for state in STATES:
        yield f"{worklist}?state={state}"
        yield f"{worklist}?state={state}&live&"
    # Which studies the other states list by these, `lists` asks.
    yield from (f"{worklist}?state=all&live&{each}" for each in [*ORDERED[1:], *FILTERED[1:]])
    for study in blind:
        yield reverse("review:study", args=[study.pk])
        yield reverse("review:status", args=[study.pk])
        yield reverse("records:patient", args=[study.patient_id])
    yield reverse("notifications:list")
    yield reverse("review:agreement")
    yield reverse("intake:batch", args=[batch.pk])
    for sort in ("file", "result", "-result", "read"):
        yield f"{reverse('results:batch', args=[batch.pk])}?sort={sort}"
        yield f"{reverse('results:csv', args=[batch.pk])}?sort={sort}"


def endpoints(blind: list[Study], batch: UploadBatch) -> Iterator[str]:
    """Every list of REST and of DICOMweb in which these studies may be."""
    for query in (
        "",
        *(f"category={each}" for each in RESULTS),
        *(f"analysis={each}" for each, _ in QUEUE_STATES),
        *(f"ordering={each}" for each in ("created_at", "-priority", "performed_at")),
        "reading_state=unread",
    ):
        yield f"/api/v1/studies?{query}"
        for name in ("worklist", "second-reads"):
            if "ordering" not in query:
                yield f"/api/v1/studies/{name}?{query}"
    for state in JobState:
        yield f"/api/v1/jobs?state={state}"
    yield "/api/v1/jobs"
    yield "/api/v1/predictions"
    yield from (f"/api/v1/predictions?category={each}" for each in RESULTS)
    yield "/api/v1/notifications"
    yield "/api/v1/agreement"
    yield f"/api/v1/batches/{batch.pk}"
    yield from (f"/api/v1/batches/{batch.pk}/results?sort={each}" for each in ("", "result"))
    for level in ("series", "instances", "studies"):
        yield f"{DICOMWEB}{level}?includefield=all"
    for study in blind:
        of_study = f"{DICOMWEB}studies/{study.study_instance_uid}"
        yield from (f"{of_study}/{level}?includefield=all" for level in ("series", "instances"))
        yield f"{of_study}/metadata"


def ask(reader: User, blind: list[Study], browser: Client, addresses: list[str]) -> dict[str, Any]:
    """The answers to all questions, without what is new in each answer."""
    cache.clear()
    program = APIClient()
    program.force_authenticate(reader)
    answers: dict[str, Any] = {}
    for address in addresses:
        if address.startswith(("/api/", DICOMWEB)):
            answers[address] = program.get(address).content.decode()
            continue
        live = {"HX-Request": "true"} if "&live" in address else {}
        text = browser.get(address, headers=live).content.decode()
        answers[address] = re.sub(r'"\w{64}"', "a token", text)
    found = program.post("/api/v1/studies/search", {"text": "ACC"}, format="json")
    answers["search"] = found.content.decode()
    answers["next"] = [each.pk for each in walk(reader)]
    ahead = [peek_next(reader, Study.objects.get(pk=study.pk)) for study in blind]
    answers["ahead"] = [[each.pk for each in studies] for studies in ahead]
    return answers


def walk(reader: User) -> list[Study]:
    """The studies that 'next' gives to somebody who leaves each one unread."""
    walked: list[Study] = []
    study = reserve_next(reader)
    while study is not None and study not in walked:
        walked.append(study)
        study = reserve_next(reader, after=study)
    Reservation.objects.all().delete()
    return walked


def test_no_response_depends_on_a_hidden_result(
    reader: User, batch: UploadBatch, blind: list[Study], sign_in: Callable[[User], Client]
) -> None:
    # In this order: DICOMweb gives each image its series, which pages show.
    browser, addresses = sign_in(reader), [*endpoints(blind, batch), *pages(blind, batch)]
    before = ask(reader, blind, browser, addresses) | lists(reader)
    # All of them can be found, and 'next' gives each.
    shown = before[f"{reverse('review:worklist')}?state=second&live&"]
    assert all(f"row-{study.pk}" in shown for study in blind)
    assert len(before["next"]) == Study.objects.count()
    give_other_results(blind)
    after = ask(reader, blind, browser, addresses) | lists(reader)
    assert [each for each in before if before[each] != after[each]] == []


def test_the_requests_would_reveal_a_result_that_is_not_hidden(
    reader: User, blind: list[Study], sign_in: Callable[[User], Client], settings: Settings
) -> None:
    settings.SECOND_READING_BLIND_TO_AI = False
    changing = blind[RESULTS.index(Category.UNLIKELY)]
    addresses = ["/api/v1/studies/worklist", "/worklist?order=urgency"]
    addresses.append(f"{DICOMWEB}studies/{changing.study_instance_uid}/series")
    browser = sign_in(reader)
    before = ask(reader, blind, browser, addresses)
    give_other_results(blind)
    after = ask(reader, blind, browser, addresses)
    told = [each for each in before if before[each] != after[each]]
    assert told == [*addresses, "search", "next", "ahead"]


def test_second_reads_are_separate_by_priority_and_waiting_time(
    reader: User, blind: list[Study]
) -> None:
    chosen: dict[str, Any] = {"state": "second"}
    expected = list(
        Study.objects.filter(second_reading__due="second").order_by("priority", "created_at")
    )
    for order in ("", "urgency", "probability"):
        asked = chosen | ({"order": order} if order else {})
        assert list(order_of(asked).sort(matching(asked, "", reader))) == expected
    names = matching(chosen, "", reader)
    assert list(ORDERS["newest"].sort(names)) == sorted(
        expected, key=lambda study: study.created_at, reverse=True
    )
    assert set(matching({"state": "all"}, "", reader)) >= set(blind)
    assert not set(matching({"state": "unread"}, "", reader)) & set(blind)


def test_first_readers_and_others_not_blinded_see_them_among_the_unread(
    reader: User, blind: list[Study], make_user: Callable[..., User]
) -> None:
    first = blind[0]
    Read.objects.create(
        study=first,
        reader=reader,
        state="signed",
        decision="unaided",
        pneumonia="none",
        signed_at=timezone.now(),
    )
    assert first in matching({"state": "unread"}, "", reader)
    assert first not in matching({"state": "second"}, "", reader)
    auditor = make_user(Role.RADIOLOGIST, Role.AUDITOR, username="both")
    assert set(blind) <= set(matching({"state": "unread"}, "", auditor))
    assert tab_counts("unread", auditor)["unread"].number == Study.objects.count()


@pytest.mark.parametrize("state", STATES)
def test_counts_match_the_lists(
    state: str, reader: User, blind: list[Study], monkeypatch: pytest.MonkeyPatch
) -> None:
    Study.objects.filter(pk__in=[blind[0].pk, blind[1].pk]).update(assigned_reader=reader)
    counts = tab_counts(state, reader)
    for each in STATES:
        assert counts[each].number == matching({"state": each}, "", reader).count()
    asked: dict[str, dict[str, Any]] = {"stat": {"priority": 0}, "mine": {"assigned": "me"}}
    asked["no_result"] = {"category": "none"}
    asked |= {each.value: {"category": each.value} for each in PROBABILITIES}
    for name, filters in asked.items():
        found = matching({"state": state, "order": "newest", **filters}, "", reader)
        assert counts[name].number == found.count(), name
    # A count that is cut off does not show how many were taken away.
    monkeypatch.setattr("webportal.review.worklist.counts.CAP", 1)
    assert str(tab_counts("unread", reader)["likely"]) == "1+"


def test_next_ranks_second_reads_as_if_likely(reader: User) -> None:
    def study_of(result: str, hours: int, *, second: bool = False) -> Study:
        study = make_prediction(category=result).radiograph.study
        received = timezone.now() - timedelta(hours=hours)
        Study.objects.filter(pk=study.pk).update(created_at=received)
        if second:
            SecondReading.objects.create(study=study, reason="drawn")
        return Study.objects.get(pk=study.pk)

    expected = [
        study_of("likely", 5),
        study_of("unlikely", 4, second=True),
        study_of("likely", 3),
        study_of("likely", 2, second=True),
        study_of("indeterminate", 9),
        study_of("unlikely", 9),
    ]
    assert walk(reader) == expected
    assert peek_next(reader, expected[0]) == [expected[1]]
    # After the signature the first comes, which is left for later; unread, the one below.
    assert peek_next(reader, expected[2]) == [expected[0], expected[3]]
    assert reserve_next(reader) == expected[0]


def test_nobody_is_notified_of_a_stat_study_already_read(
    reader: User, radiologist: User, sign_in: Callable[[User], Client]
) -> None:
    study = make_study(priority=0)
    long_ago = timezone.now() - timedelta(hours=3)
    make_prediction(make_radiograph(study), Category.LIKELY, created_at=long_ago)
    Study.objects.update(created_at=long_ago)
    run.create_due()
    told = Notification.objects.filter(kind=NotificationKind.STAT_UNREAD, read_at=None)
    assert told.count() == 2
    assert not told.exclude(category="").exists()
    SecondReading.objects.create(study=study, reason="overruled")
    run.create_due()
    assert not told.exists()
    address = reverse("notifications:open", args=[Notification.objects.get(recipient=reader).pk])
    assert sign_in(reader).get(address)["Location"] == "/worklist?priority=0"
