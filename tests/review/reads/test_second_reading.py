"""Which studies are read twice, by whom, and which read counts in the end."""

import uuid
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import pytest
from django.db import IntegrityError, transaction
from django.db.models import BooleanField
from django.test import Client, override_settings
from django.urls import reverse
from django.utils import timezone
from pytest_django.fixtures import Settings

from tests.conftest import PASSWORD
from tests.factories import make_prediction, make_radiograph
from tests.helpers import let_time_pass
from tests.reading import add_addendum, read, refusal, sign, state
from webportal.accounts.models import Role, User
from webportal.inference.models import Prediction
from webportal.records.models import Study
from webportal.review.models import OtherFinding, Read, SecondReading
from webportal.review.reads.blinding import sees_read, visible_reads, waiting_blind
from webportal.review.reads.queries import signed_read
from webportal.review.reads.reservation import reserve_next
from webportal.review.reads.second_reading import URGENT, due_read, is_drawn, signed_reads
from webportal.review.reads.services import Entry, ReadingError
from webportal.review.study.reading_panel import reading_panel
from webportal.review.worklist import bulk

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("twice")]


def test_random_selection_depends_only_on_the_study_and_has_the_right_share(
    settings: Settings,
) -> None:
    ids = [uuid.uuid4() for _ in range(4000)]
    settings.SECOND_READING_SHARE = 0.25
    drawn = {each for each in ids if is_drawn(each)}
    assert drawn == {each for each in ids if is_drawn(each)}
    assert 0.21 < len(drawn) / len(ids) < 0.29
    settings.SECOND_READING_SHARE = 0.5
    assert drawn < {each for each in ids if is_drawn(each)}
    settings.SECRET_KEY = "another secret"
    settings.SECOND_READING_SHARE = 0.25
    assert drawn != {each for each in ids if is_drawn(each)}
    settings.SECOND_READING_SHARE = 0.0
    assert not any(is_drawn(each) for each in ids)


@pytest.mark.parametrize(
    ("category", "finding", "goes_on"),
    [
        ("likely", "none", True),
        ("likely", "possible", False),
        ("indeterminate", "none", False),
        ("unlikely", "definite", False),
    ],
)
def test_every_overruled_positive_goes_to_a_second_reader(
    category: str, finding: str, goes_on: bool, settings: Settings, radiologist: User
) -> None:
    settings.SECOND_READING_SHARE = 0.0
    seen = make_prediction(category=category)
    confirms = (category, finding) == ("likely", "possible")
    entry = Entry(seen.pk, "confirm" if confirms else "overrule", finding)
    sign(seen.radiograph.study, radiologist, entry, PASSWORD)
    expected = ("unread", "second") if goes_on else ("signed", "")
    assert state(seen.radiograph.study) == expected


def test_nothing_is_read_twice_unless_enabled(settings: Settings, radiologist: User) -> None:
    settings.SECOND_READING = False
    seen = make_prediction(category="likely")
    sign(seen.radiograph.study, radiologist, Entry(seen.pk, "overrule", "none"), PASSWORD)
    assert state(seen.radiograph.study) == ("signed", "")


def test_all_places_agree_on_who_may_read(
    prediction: Prediction, readers: list[User], make_user: Callable[..., User]
) -> None:
    """Signing, the study page, *Next* and blinding each decide in their own words."""
    others = [role for role in Role if role not in (Role.RADIOLOGIST, Role.AUDITOR)]
    readers = [*readers, *(make_user(Role.RADIOLOGIST, role, username=role) for role in others)]
    # And one for everything that may be so or not of a person.
    for name in booleans_of_people() - CANNOT_READ:
        person = make_user(Role.RADIOLOGIST, username=name)
        setattr(person, name, not getattr(person, name))
        person.save()
        readers.append(person)
    auditor = make_user(Role.RADIOLOGIST, Role.AUDITOR, username="both")
    study = prediction.radiograph.study
    # And one for everything that a study may have to do with a person.
    for relation in relations_to_people() - {"assigned_reader"}:  # takes it from all others
        person = make_user(Role.RADIOLOGIST, username=f"{relation} of it")
        Study.objects.filter(pk=study.pk).update(**{relation: person})
        readers.append(person)
    steps: list[Callable[[], object]] = [
        lambda: None,
        lambda: read(prediction, readers[0], "none"),
        lambda: read(prediction, readers[1], "definite"),
        lambda: read(prediction, readers[2], "none"),
    ]
    may, people = [], [*readers, auditor]
    for step in steps:
        step()
        let_time_pass()
        fresh = Study.objects.get(pk=study.pk)
        may.append([may_read(fresh, prediction, person) for person in people])
        is_second = due_read(fresh) == "second"
        for person, is_allowed in zip(people, may[-1], strict=True):
            blind = [each for each in signed_reads(fresh) if not sees_read(person, each)]
            visible = Read.objects.filter(visible_reads(person), study=study).count()
            assert visible == len(signed_reads(fresh)) - len(blind)
            assert bool(blind) == (is_second and is_allowed), person
            assert waits_blind(fresh, person) == (is_second and is_allowed), person
            free = [each for each, may_too in zip(people, may[-1], strict=True) if may_too]
            if free := [each for each in free if each != person]:
                is_kept = keeps_from(free[0], study, person)
                assert is_kept == is_allowed, "MAY_HAVE in webportal/review/reads/reservation.py"
    rest = [True] * len(readers[3:])
    assert may == [
        [True, True, True, *rest, True],
        [False, True, True, *rest, False],
        [False, False, True, *rest, True],
        [False] * len(may[0]),
    ]


#: What makes a person unable to read anything, whatever is due.
CANNOT_READ = {"is_active", "is_node", "must_change_password"}


def booleans_of_people() -> set[str]:
    """The fields of a person that a rule might decide by."""
    return {each.name for each in User._meta.fields if isinstance(each, BooleanField)}


def relations_to_people() -> set[str]:
    """The fields of a study that name a person."""
    return {each.name for each in Study._meta.concrete_fields if each.related_model is User}


def may_read(study: Study, seen: Prediction, person: User) -> bool:
    """Whether this person may make the read that is due, on which every place has to agree."""
    may_sign = reading_panel(study, person).may_read
    client = Client()
    client.force_login(person)
    assert client.post(f"/studies/{study.pk}/status").context["may_reserve"] == may_sign, person
    with transaction.atomic():
        assert bool(bulk.assign([study.pk], person, person).changed) == may_sign, person
        transaction.set_rollback(True)
    with transaction.atomic():
        assert (reserve_next(person) == study) == may_sign, person
        transaction.set_rollback(True)
    with transaction.atomic():
        signs: AbstractContextManager[object] = (
            nullcontext() if may_sign else pytest.raises(ReadingError)
        )
        with signs:
            # The same read again would be taken for a repeated request.
            read(seen, person, "none", comment="My own words.")
        transaction.set_rollback(True)
    return bool(may_sign)


def keeps_from(other: User, study: Study, person: User) -> bool:
    """Whether *Next* does not give the study to another, because it is assigned to this person."""
    with transaction.atomic():
        Study.objects.filter(pk=study.pk).update(assigned_reader=person)
        is_kept = reserve_next(other) is None
        transaction.set_rollback(True)
    return is_kept


def waits_blind(study: Study, person: User) -> bool:
    with override_settings(SECOND_READING_BLIND_TO_AI=True):
        return Study.objects.filter(waiting_blind(person), pk=study.pk).exists()


def test_agreement_of_two_readers_completes_the_study(
    prediction: Prediction, readers: list[User]
) -> None:
    study = prediction.radiograph.study
    assert read(prediction, readers[0], "none").kind == "first"
    assert state(study) == ("unread", "second")
    assert signed_read(study) is None
    second = read(prediction, readers[1], "none")
    assert second.kind == "second"
    study = Study.objects.get(pk=study.pk)
    assert state(study) == ("signed", "")
    assert signed_read(study) == second


@pytest.mark.parametrize(
    ("finding", "others"), [("possible", ()), ("none", ("pneumothorax",))], ids=str
)
def test_a_third_read_resolves_a_disagreement_and_counts(
    finding: str, others: tuple[str, ...], prediction: Prediction, readers: list[User]
) -> None:
    study = prediction.radiograph.study
    read(prediction, readers[0], "none", other_findings=("effusion",))
    read(prediction, readers[1], finding, other_findings=others)
    assert state(study) == ("unread", "arbitration")
    for earlier in readers[:2]:
        again = refusal(lambda reader=earlier: read(prediction, reader, "definite"))  # type: ignore[misc]
        assert again == "already_signed"
    arbitration = read(prediction, readers[2], "none")
    assert arbitration.kind == "arbitration"
    study = Study.objects.get(pk=study.pk)
    assert state(study) == ("signed", "")
    assert signed_read(study) == arbitration
    assert refusal(lambda: read(prediction, readers[3], "none")) == "already_signed"


#: Decided for each finding by a radiologist. Where one is urgent, a third reader decides if only
#: one has seen it; docs/decisions/reading.md says which are.
IS_URGENT = {
    OtherFinding.EFFUSION: False,
    OtherFinding.CARDIOMEGALY: False,
    OtherFinding.PNEUMOTHORAX: True,
    OtherFinding.ATELECTASIS: False,
    OtherFinding.OTHER: False,
}


def test_every_finding_is_classified_as_urgent_or_not() -> None:
    urgent = {finding: finding in URGENT for finding in OtherFinding}
    assert urgent == IS_URGENT, "URGENT in webportal/review/reads/second_reading.py"


def test_a_minor_difference_needs_no_third_read(
    prediction: Prediction, readers: list[User]
) -> None:
    read(prediction, readers[0], "none", other_findings=("effusion",))
    read(prediction, readers[1], "none", other_findings=("cardiomegaly",))
    assert state(prediction.radiograph.study) == ("signed", "")


def test_nobody_reads_a_study_twice(prediction: Prediction, readers: list[User]) -> None:
    study = prediction.radiograph.study
    first = read(prediction, readers[0], "none")
    assert refusal(lambda: read(prediction, readers[0], "possible")) == "already_signed"
    with pytest.raises(IntegrityError, match="study_and_reader"), transaction.atomic():
        Read.objects.create(
            study=study,
            reader=readers[0],
            prediction=prediction,
            state="signed",
            kind="second",
            decision="confirm",
            pneumonia="none",
            signed_at=timezone.now(),
        )
    with pytest.raises(IntegrityError, match="study_and_kind"), transaction.atomic():
        Read.objects.create(
            study=study,
            reader=readers[1],
            prediction=prediction,
            state="signed",
            decision="confirm",
            pneumonia="none",
            signed_at=timezone.now(),
        )
    assert list(study.reads.filter(state="signed")) == [first]
    assert reserve_next(readers[0]) is None
    assert reserve_next(readers[1]) == study


def test_an_auditor_cannot_be_a_second_reader_but_can_arbitrate(
    prediction: Prediction, readers: list[User], make_user: Callable[..., User]
) -> None:
    knows_the_trail = make_user(Role.RADIOLOGIST, Role.AUDITOR)
    study = prediction.radiograph.study
    read(prediction, readers[0], "none")
    assert reserve_next(knows_the_trail) is None
    assert refusal(lambda: read(prediction, knows_the_trail, "none")) == "not_blind"
    read(prediction, readers[1], "possible")
    assert reserve_next(knows_the_trail) == study
    assert read(prediction, knows_the_trail, "none").kind == "arbitration"


@pytest.mark.parametrize("roles", [[Role.RADIOLOGIST], [Role.RADIOLOGIST, Role.AUDITOR]])
def test_a_second_read_assigned_to_somebody_who_may_not_make_it_goes_to_another(
    roles: list[Role],
    prediction: Prediction,
    readers: list[User],
    make_user: Callable[..., User],
) -> None:
    """They were assigned to it for its first read."""
    study, person = prediction.radiograph.study, make_user(*roles, username="assigned")
    Study.objects.filter(pk=study.pk).update(assigned_reader=person)
    assert reserve_next(readers[1]) is None
    is_auditor = person.has_role(Role.AUDITOR)
    read(prediction, readers[0] if is_auditor else person, "none")
    assert reserve_next(person) is None
    assert reserve_next(readers[1]) == study
    read(prediction, readers[1], "definite")
    assert reserve_next(person) == (study if is_auditor else None)
    assert reserve_next(readers[2]) == (None if is_auditor else study)


def test_next_does_not_call_a_study_unbegun_whose_first_read_its_reader_has_signed(
    prediction: Prediction, readers: list[User], sign_in: Callable[[User], Client]
) -> None:
    study = prediction.radiograph.study
    Study.objects.filter(pk=study.pk).update(assigned_reader=readers[0])
    read(prediction, readers[0], "none")
    page = sign_in(readers[1]).post(reverse("review:next"), follow=True)
    assert page.redirect_chain[-1][0] == reverse("review:study", args=[study.pk])
    assert "has not begun" not in page.text


def test_a_page_opened_for_a_different_read_has_to_be_opened_again(
    prediction: Prediction, readers: list[User]
) -> None:
    read(prediction, readers[0], "none")
    late = Entry(prediction.pk, "confirm", "none", kind="first", comment="kept")
    study = prediction.radiograph.study
    assert refusal(lambda: sign(study, readers[1], late, PASSWORD)) == "reading_changed"
    assert Read.objects.get(reader=readers[1]).comment == "kept"
    assert SecondReading.objects.get().due == "second"


def test_an_addendum_does_not_end_the_second_reading(
    prediction: Prediction, readers: list[User]
) -> None:
    first = read(prediction, readers[0], "none")
    add_addendum(first, readers[0], "Late", "An old scar.", PASSWORD, images=1)
    assert state(prediction.radiograph.study) == ("unread", "second")


def test_an_image_added_meanwhile_must_be_seen_by_the_next_reader(
    prediction: Prediction, readers: list[User]
) -> None:
    study = prediction.radiograph.study
    read(prediction, readers[0], "none", images=1)
    make_radiograph(study)
    assert refusal(lambda: read(prediction, readers[1], "none", images=1)) == "images_changed"
    second = read(prediction, readers[1], "none", images=2)
    # What counts is the read that has seen every image.
    assert signed_read(Study.objects.get(pk=study.pk)) == second
