"""A hospital's day beside the one patient who is to be forgotten."""

from pathlib import Path

import pytest
from pytest_django.fixtures import Settings

from tests.audit import day
from tests.erasure.whole_patient import Planted, plant
from tests.intake.conftest import storage_folder

__all__ = ["storage_folder"]


@pytest.fixture(autouse=True)
def inbox_folder(tmp_path: Path, settings: Settings) -> Path:
    settings.DICOM_INBOX = tmp_path / "inbox"
    return tmp_path / "inbox"


@pytest.fixture
def people(db: None, tmp_path: Path) -> day.People:
    return day.spend(tmp_path / "packages")


@pytest.fixture
def planted(people: day.People) -> Planted:
    """The patient whose name is everywhere."""
    return plant(people)
