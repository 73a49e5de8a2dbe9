"""Hospital IT asks the planner on its page and by a command."""

import json
import time
from collections.abc import Callable
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from webportal.accounts.models import User
from webportal.operations import capacity_views

PAGE = "/operations/capacity"
FORM = {
    "studies_per_hour": "200",
    "images_per_study": "1.3",
    "within": "60",
    "percentile": "95",
    "portals": "1",
    "profile": "flat",
}

pytestmark = pytest.mark.django_db


@pytest.fixture
def client(it_person: User, sign_in: Callable[[User], Client]) -> Client:
    return sign_in(it_person)


def ask(*arguments: str) -> str:
    output = StringIO()
    call_command("capacity", *arguments, stdout=output)
    return output.getvalue()


def test_the_page_begins_with_a_form_and_simulates_nothing(client: Client) -> None:
    response = client.get(PAGE)
    assert response.status_code == 200
    assert "answer" not in response.context
    assert response.context["form"].errors == {}


def test_the_page_answers_with_the_number_the_table_and_the_plots(client: Client) -> None:
    response = client.get(PAGE, FORM)
    assert response.context["answer"].workers == 1
    content = response.content.decode()
    assert "1 worker is enough. Even in the slowest hour, 95 % of the images" in content
    assert content.count('class="plot"') == 2
    # What is not the installation's own is named.
    assert "Not measured here" in content
    assert "Measured here" not in content


def test_the_largest_question_is_answered_at_once(client: Client) -> None:
    largest = FORM | {"studies_per_hour": "50000", "images_per_study": "2", "portals": "9"}
    began = time.process_time()
    response = client.get(PAGE, largest)
    assert response.context["answer"].images < 30_000
    assert time.process_time() - began < 4


def test_a_simulation_that_takes_too_long_for_a_page_is_refused(client: Client) -> None:
    # Every image of hours would have to be simulated.
    hours = {"studies_per_hour": "50000", "images_per_study": "2", "within": "86400"}
    began = time.process_time()
    response = client.get(PAGE, FORM | hours | {"portals": "9"})
    assert time.process_time() - began < 4
    assert "answer" not in response.context
    (error,) = response.context["form"].non_field_errors()
    assert "100,000 images" in error
    assert "manage.py capacity" in error


def test_limits_of_uploads_are_answered_without_a_simulation(client: Client) -> None:
    wanted = {"studies_per_hour": "50000", "images_per_study": "100", "within": "86400"}
    began = time.process_time()
    response = client.get(PAGE, FORM | wanted)
    assert time.process_time() - began < 4
    assert response.context["answer"].images == 0
    assert b"<table" not in response.content


def test_uploads_as_the_limit_are_named_in_a_sentence(client: Client) -> None:
    response = client.get(PAGE, FORM | {"studies_per_hour": "50000", "images_per_study": "2"})
    content = response.content.decode()
    assert "No number of workers is enough. Uploads are the limit: 27.8 files a second" in content
    assert "At least 2 portals are needed." in content


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("studies_per_hour", "-1"),
        ("studies_per_hour", "nan"),
        ("studies_per_hour", "1e9"),
        ("within", "0"),
        ("portals", "x"),
        ("profile", "measured"),
        ("percentile", "100"),
    ],
)
def test_what_cannot_be_planned_for_is_refused(client: Client, field: str, value: str) -> None:
    response = client.get(PAGE, FORM | {field: value})
    assert response.status_code == 200
    assert field in response.context["form"].errors
    assert "answer" not in response.context


def test_one_plan_is_computed_at_a_time(client: Client) -> None:
    with capacity_views._one_at_a_time:
        response = client.get(PAGE, FORM)
    assert "answer" not in response.context
    assert "Somebody else is running a simulation just now." in response.content.decode()
    assert "answer" in client.get(PAGE, FORM).context


def test_the_command_prints_the_answer_and_its_basis() -> None:
    words = ask("--studies-per-hour", "200", "--within", "60s", "--replications", "2")
    assert words.startswith("1 worker is enough. Even in the slowest hour, 95 % of the images")
    assert "Not measured here:" in words
    # Little is not nothing.
    assert "portals < 1 %, head of the audit trail < 1 %" in words


def test_the_command_prints_no_table_where_nothing_is_simulated() -> None:
    words = ask("--studies-per-hour", "50000", "--images-per-study", "2", "--within", "60s")
    assert words.startswith("No number of workers is enough. Uploads are the limit")
    assert "slowest hour" not in words
    assert "portals 139 %" in words


def test_the_command_prints_json() -> None:
    arguments = ("--studies-per-hour", "90", "--within", "20m", "--replications", "2", "--json")
    found = json.loads(ask(*arguments, "--batch-ms", "10000", "--image-ms", "90000"))
    assert found["obstacle"] is None
    # Two could not keep up.
    assert found["workers"] >= 3
    assert (
        next(each["workers"] for each in found["options"] if each["is_enough"])
        == (found["workers"])
    )
    assert found["assumptions"]["speed"]["following"]["per_image"] == 90
    assert found["portal_use"] == pytest.approx(0.025 / 20)


@pytest.mark.parametrize(
    "arguments",
    [
        ("--within", "60s"),
        ("--studies-per-hour", "100"),
        ("--studies-per-hour", "100", "--within", "soon"),
        ("--studies-per-hour", "0", "--within", "60s"),
        ("--studies-per-hour", "100", "--within", "60s", "--percentile", "100"),
        ("--studies-per-hour", "100", "--within", "60s", "--priorities", "1,2"),
        ("--studies-per-hour", "100", "--within", "60s", "--failing", "1"),
        ("--studies-per-hour", "100", "--within", "60s", "--image-ms", "5"),
        ("--studies-per-hour", "100", "--within", "60s", "--profile", "measured"),
        ("--studies-per-hour", "100", "--within", "60s", "--device", "H200"),
    ],
)
def test_what_the_command_cannot_plan_for_is_refused(arguments: tuple[str, ...]) -> None:
    with pytest.raises(CommandError):
        ask(*arguments)
