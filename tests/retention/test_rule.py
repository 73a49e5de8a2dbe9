"""The retention rule determines what is due, and a hold suspends it."""

import io
from datetime import UTC, date, datetime
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from pytest_django.fixtures import Settings

from tests.conftest import PASSWORD
from tests.factories import make_patient, make_radiograph, make_study
from tests.reading import add_addendum, sign
from webportal.accounts.models import User
from webportal.records.models import Study
from webportal.retention import holds, rule
from webportal.review.models import Addendum, Read
from webportal.review.reads.services import Entry

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 6, 15, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _ten_years(settings: Settings) -> None:
    settings.RETENTION_YEARS = 10
    settings.RETENTION_MINORS_UNTIL = 28


def examined(on: str, born: str | None = "1950-01-01", **fields: Any) -> Study:
    patient = make_patient(birth_date=born and date.fromisoformat(born))
    at = datetime.fromisoformat(f"{on}T12:00:00+00:00")
    return make_study(patient=patient, performed_at=at, **fields)


def is_due(study: Study) -> bool:
    return rule.due(NOW).filter(pk=study.pk).exists()


@pytest.mark.parametrize(
    ("on", "expected"), [("2016-06-15", True), ("2016-06-16", False), ("2026-06-01", False)]
)
def test_a_study_is_due_after_the_retention_period(on: str, expected: bool) -> None:
    assert is_due(examined(on)) == expected


@pytest.mark.parametrize(
    ("born", "expected"),
    [
        ("1998-06-15", True),  # 28 today
        ("1998-06-16", False),  # 27
        ("1990-01-01", True),
        ("1982-06-01", True),  # of age when examined
        (None, False),  # might have been a newborn
    ],
)
def test_studies_of_minors_are_kept_until_the_required_age(
    born: str | None, expected: bool
) -> None:
    assert is_due(examined("2004-06-01", born)) == expected


def test_without_a_birth_date_the_examination_date_is_assumed(settings: Settings) -> None:
    study = examined("1998-06-15", None)
    assert is_due(study)
    settings.RETENTION_MINORS_UNTIL = 29
    assert not is_due(study)
    settings.RETENTION_MINORS_UNTIL = 0
    assert is_due(examined("2010-01-01", None))


def test_without_an_examination_date_the_upload_date_counts() -> None:
    study = make_study(patient=make_patient(birth_date=date(1950, 1, 1)))
    assert not is_due(study)
    Study.objects.filter(pk=study.pk).update(created_at=datetime(2010, 1, 1, tzinfo=UTC))
    assert is_due(study)


def test_a_later_signature_or_addendum_restarts_the_period(radiologist: User) -> None:
    study = examined("2010-01-01")
    make_radiograph(study=study)
    assert is_due(study)
    read = sign(study, radiologist, Entry(None, "unaided", "none"), PASSWORD)
    assert not is_due(study)
    ten_years_on = datetime(2037, 1, 1, tzinfo=UTC)
    assert rule.due(ten_years_on).filter(pk=study.pk).exists()
    add_addendum(read, radiologist, "Asked by phone.", "Nothing else.", PASSWORD)
    assert Read.objects.count() == Addendum.objects.count() == 1
    begun_at = rule.due(ten_years_on).get(pk=study.pk).begun_at
    assert begun_at == Addendum.objects.get().signed_at


def test_a_hold_on_the_study_or_its_patient_keeps_it(it_person: User) -> None:
    studies = [examined("2000-01-01") for _ in range(3)]
    of_study = holds.place(studies[0], "Letter of 3 May", it_person)
    of_patient = holds.place(studies[1].patient, "Claim 17", it_person)
    assert list(rule.due(NOW)) == [studies[2]]
    assert (rule.figures().due, rule.figures().held) == (1, 2)
    assert holds.lift(of_study, it_person)
    assert holds.lift(of_patient, it_person)
    assert not holds.lift(of_patient, it_person)
    assert rule.due(NOW).count() == 3


def test_the_command_lists_and_removes_nothing(settings: Settings, it_person: User) -> None:
    study, kept = examined("2000-01-01"), examined("2001-01-01")
    holds.place(kept, "Claim 17", it_person)
    output, said = io.StringIO(), io.StringIO()
    call_command("retention", "--dry-run", stdout=output, stderr=said)
    assert output.getvalue() == f"{study.pk} 2000-01-01\n"
    assert "1 studies are due; 1 more are on legal hold" in said.getvalue()
    assert Study.objects.count() == 2
    with pytest.raises(CommandError, match="Hospital IT erases it"):
        call_command("retention")
    settings.RETENTION_YEARS = 0
    assert not rule.due(timezone.now()).exists()
    with pytest.raises(CommandError, match="RETENTION_YEARS"):
        call_command("retention", "--dry-run")
