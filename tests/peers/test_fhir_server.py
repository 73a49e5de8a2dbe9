"""FHIR transactions to Medplum's server, which validates them against the profiles of R4."""

import json
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import requests

from deploy.local.frontend import node_environment
from tests.conftest import PASSWORD
from tests.delivery.conftest import send_all
from tests.delivery.rows import make_pacs
from tests.factories import make_prediction, make_radiograph, make_study
from tests.helpers import free_port, let_time_pass, listens, wait_until
from tests.reading import add_addendum, read
from tools.peers import FHIR_FOLDER
from webportal.accounts.models import User
from webportal.delivery.models import Content, DeliveryState, Destination, Document, Protocol
from webportal.review.models import Read

pytestmark = [pytest.mark.peers, pytest.mark.django_db]
HERE = Path(__file__).parent


@pytest.fixture
def fhir_server() -> Iterator[str]:
    """The base URL of a running server."""
    if not (FHIR_FOLDER / "node_modules").is_dir():
        pytest.skip("Medplum's FHIR server is not installed: run make test-peers")
    port = free_port()
    command = ["node", str(HERE / "fhir_server.mjs"), str(FHIR_FOLDER), str(port)]
    process = subprocess.Popen(command, env=node_environment())
    try:
        wait_until(lambda: listens(port), "the FHIR server listens")
        yield f"http://127.0.0.1:{port}/fhir"
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def destination(fhir_server: str) -> Destination:
    """The server as a destination of everything."""
    made = make_pacs(
        "EHR",
        Protocol.FHIR,
        url=fhir_server,
        sends=[Content.READS, Content.RESULTS],
        results_when="at_once",
    )
    made.created_at = made.looked_until = made.created_at - timedelta(minutes=2)
    made.save(update_fields=["created_at", "looked_until"])
    return made


def errors(resources: list[Any]) -> list[str]:
    """What another validator finds, which knows the codes that R4 requires."""
    done = subprocess.run(
        ["node", str(HERE / "fhir_validator.cjs"), str(FHIR_FOLDER)],
        input=json.dumps(resources),
        env=node_environment(),
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    found: list[str] = json.loads(done.stdout)
    return found


def test_a_report_goes_through_all_its_states_once(
    fhir_server: str, destination: Destination, radiologist: User
) -> None:
    def ask(place: str) -> Any:
        return requests.get(f"{fhir_server}/{place}", timeout=10).json()

    study = make_study()
    make_prediction(make_radiograph(study), "unlikely")
    prediction = make_prediction(make_radiograph(study))
    assert {row.state for row in send_all(destination)} == {DeliveryState.DELIVERED}
    signed = read(prediction, radiologist, "definite", zones=("left_upper",),
                  other_findings=("effusion",), comment="An opacity.")  # fmt: skip
    let_time_pass()
    send_all(destination)
    add_addendum(Read.objects.get(pk=signed.pk), radiologist, "Why", "More.", PASSWORD)
    rows = send_all(destination)
    assert {row.state for row in rows} == {DeliveryState.DELIVERED}, [row.answer for row in rows]
    send_all(destination)
    (report,) = [each["resource"] for each in ask("DiagnosticReport")["entry"]]
    history = ask(f"DiagnosticReport/{report['id']}/_history")["entry"]
    states = {each["resource"]["status"] for each in history}
    assert len(history) == 3
    assert states == {"preliminary", "final", "amended"}
    assert report["status"] == "amended"
    observations = [each["resource"] for each in ask("Observation")["entry"]]
    assert sorted(each["status"] for each in observations) == [
        *["amended"] * 2,
        *["preliminary"] * 2,
    ]
    assert len(ask("ImagingStudy")["entry"]) == 1
    sent = [json.loads(bytes(each.content or b"")) for each in Document.objects.all()]
    assert errors([*sent, *(entry["resource"] for one in sent for entry in one["entry"])]) == []


def test_the_peers_find_what_is_wrong(fhir_server: str) -> None:
    wrong = {"resourceType": "Observation", "status": "final"}
    entry = {"resource": wrong, "request": {"method": "POST", "url": "Observation"}}
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [entry]}
    assert requests.post(fhir_server, json=bundle, timeout=10).status_code == 422
    assert errors([wrong | {"status": "signed", "code": {"text": "x"}}])
