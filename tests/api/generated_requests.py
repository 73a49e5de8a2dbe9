"""Requests made from the OpenAPI document, in order and out of order, by every role.

A part of `make fuzz`, which takes too long for `make test`. Each must be answered as the document
says, and never with a server error. CHESTLINE_EXAMPLES sets how many of each there are.
"""

import json
import os
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import pytest
import schemathesis
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rest_framework.test import APIClient
from schemathesis import Case, GenerationMode
from schemathesis.core import NotSet

from tests.api.document import DOCUMENT, documented, validator
from tests.api.test_every_operation import OPERATIONS, world
from tests.api.world import World
from webportal.accounts.models import Role, User

__all__ = ["world"]

EXAMPLES = int(os.environ.get("CHESTLINE_EXAMPLES", "2"))
MODES = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
# The browser's tests reach no node of the network, and neither may these.
SILENT = {"dicom_nodes_echo_create"}

_schema = schemathesis.openapi.from_dict(DOCUMENT)
_results: Any = _schema.get_all_operations()
_found = [result.ok() for result in _results]
_operations = {found.definition.raw["operationId"]: found for found in _found}


@pytest.mark.parametrize("name", sorted(set(documented()) - SILENT))
def test_a_generated_request_is_answered_as_documented(
    name: str, world: World, make_user: Callable[..., User]
) -> None:
    _, _, description = documented()[name]
    operation = OPERATIONS[name]
    world.fill(name)
    real = {key: str(world[thing]) for key, thing in operation.path.items()}
    people = [User.objects.filter(roles=[role]).first() or make_user(role) for role in Role]
    cases = st.one_of(*(_operations[name].as_strategy(generation_mode=mode) for mode in MODES))

    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=cases, is_real=st.sampled_from([True, True, False]))
    def check(case: Case[Any], is_real: bool) -> None:
        for person in [*people, None]:
            with transaction.atomic():
                _check(case, real if is_real else {}, person, description)
                transaction.set_rollback(True)

    check()


def _check(
    case: Case[Any], real: dict[str, str], person: User | None, description: dict[str, Any]
) -> None:
    client = APIClient(raise_request_exception=False)
    if person is not None:
        client.force_authenticate(person)
    case.path_parameters = (case.path_parameters or {}) | real
    body, media_type = _body(case)
    response: Any = client.generic(
        case.method,
        case.formatted_path,
        body,
        media_type,
        QUERY_STRING=_query(case),
    )
    told = f"{case.method} {case.formatted_path} by {person and person.roles}: {body[:300]!r}"
    assert response.status_code < 500, told
    status = str(response.status_code)
    is_success = response.status_code < 400
    assert status in description["responses"] or not is_success, (
        f"{status} is not documented: {told}"
    )
    answer = description["responses"].get(status, description["responses"]["default"])
    if "content" not in answer:
        assert not response.content, told
        return
    media_type = response["Content-Type"].split(";")[0]
    assert media_type in answer["content"], f"{media_type}: {told}"
    schema = answer["content"][media_type]["schema"]
    if "json" in media_type:
        complaints = [error.message for error in validator(schema).iter_errors(response.json())]
        assert complaints == [], told


def _body(case: Case[Any]) -> tuple[str, str]:
    """The body as JSON, even where a form is asked for; empty where there is to be none."""
    if isinstance(case.body, NotSet):
        return "", "application/json"
    return json.dumps(case.body, default=str), case.media_type or "application/json"


def _query(case: Case[Any]) -> str:
    return urlencode(
        {key: str(value) for key, value in (case.query or {}).items()}, errors="replace"
    )
