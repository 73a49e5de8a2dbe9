"""Several readers of one result, and studies that are read twice."""

from collections.abc import Callable

import pytest
from pytest_django.fixtures import Settings

from tests.factories import make_prediction
from webportal.accounts.models import Role, User
from webportal.inference.models import Prediction


@pytest.fixture
def readers(make_user: Callable[..., User]) -> list[User]:
    """Enough for two reads, their arbitration, and one who has no part in it."""
    return [make_user(Role.RADIOLOGIST, username=f"reader{n}") for n in range(4)]


@pytest.fixture
def prediction() -> Prediction:
    """The model's result of a study that nobody has read."""
    return make_prediction(category="unlikely")


@pytest.fixture
def twice(settings: Settings) -> None:
    """Have every study read twice."""
    settings.SECOND_READING = True
    settings.SECOND_READING_SHARE = 1.0
