"""A trail with its anchors."""

from pathlib import Path

import pytest
from pytest_django.fixtures import Settings

from webportal.audit.anchors import anchor
from webportal.audit.models import Action
from webportal.audit.trail import Event, append


@pytest.fixture
def file(settings: Settings) -> Path:
    path: Path = settings.AUDIT_ANCHOR_FILE
    return path


@pytest.fixture
def anchored(file: Path) -> Path:
    """Five entries, each of them anchored; the first anchor is of entry 2."""
    for number in range(5):
        append(Event(Action.STUDY_VIEWED, "study", str(number)), "ann")
        anchor()
    return file
