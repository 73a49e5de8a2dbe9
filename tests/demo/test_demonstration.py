"""`load_demo` fills the worklist with marked phantoms, once."""

from io import StringIO

import pytest
from django.core.management import call_command

from webportal.accounts.models import User
from webportal.demo import demonstration, phantoms
from webportal.inference.models import Job
from webportal.records.models import Patient, Study

pytestmark = pytest.mark.django_db

ALL = demonstration.PHANTOMS


@pytest.fixture(autouse=True)
def _three_small_phantoms(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawing all of them at full size takes long and shows nothing more."""
    monkeypatch.setattr(demonstration, "PHANTOMS", [*ALL[:2], ALL[-1]])
    draw = phantoms.draw_phantom
    monkeypatch.setattr(
        demonstration, "draw_phantom", lambda seed, size, *drawn: draw(seed, (320, 300), *drawn)
    )


def load() -> str:
    output = StringIO()
    call_command("load_demo", stdout=output)
    return output.getvalue()


def test_loading_twice_creates_everything_once() -> None:
    assert load().count("Accepted") == 3
    assert Study.objects.filter(is_phantom=True).count() == 3
    assert Patient.objects.filter(is_temporary=True).count() == 1
    assert Patient.objects.get(patient_id="PHANTOM-01").studies.count() == 2
    assert Job.objects.count() == 3
    load()
    assert (Study.objects.count(), Job.objects.count(), User.objects.count()) == (3, 3, 1)


def test_the_uploader_of_phantoms_cannot_sign_in() -> None:
    load()
    user = User.objects.get()
    assert not user.is_active
    assert not user.has_usable_password()


def test_every_phantom_has_its_own_image_and_study() -> None:
    assert len({phantom.seed for phantom in ALL}) == len(ALL)
    numbers = [phantom.record.accession_number for phantom in ALL if phantom.record]
    assert len(set(numbers)) == len(numbers)
