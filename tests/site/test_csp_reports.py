"""Browsers report what the Content-Security-Policy blocked; the log names no patient."""

import json
import logging
from typing import Any

import pytest
from django.test import Client

from webportal import logs
from webportal.minute_counter import MinuteCounter

NAME = "Secret-Sophie"
# The same in every process that collects the tests.
PATIENT = "6f9c1c56-8a43-4b8e-9d0c-2f1c2d7f7a11"


@pytest.fixture(autouse=True)
def _fresh_counter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "_refused", MinuteCounter())


def send(report: Any, client: Client | None = None) -> int:
    """Send a report, or a text as it is, and return the status of the answer."""
    body = report if isinstance(report, str) else json.dumps(report)
    browser = client or Client(enforce_csrf_checks=True)
    answer = browser.post("/csp-reports", body, content_type="application/csp-report")
    return answer.status_code


def report_of(path: str, directive: str = "script-src-elem", **more: str) -> dict[str, Any]:
    told = {"document-uri": f"https://portal.example{path}", "effective-directive": directive}
    return {"csp-report": told | more}


@pytest.mark.django_db
def test_the_policy_names_where_to_report() -> None:
    assert "report-uri /csp-reports" in Client().get("/sign-in")["Content-Security-Policy"]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("path", "pattern"),
    [
        (f"/patients/{PATIENT}?name={NAME}#{NAME}", "/patients/<uuid:patient_id>"),
        (f"/{NAME}", "an address that does not exist"),
    ],
)
def test_a_report_is_one_line_that_names_no_patient(
    path: str, pattern: str, caplog: pytest.LogCaptureFixture
) -> None:
    more = {"blocked-uri": f"https://evil.example/{NAME}", "script-sample": NAME, "referrer": NAME}
    with caplog.at_level(logging.WARNING):
        assert send(report_of(path, **more)) == 204
    (line,) = caplog.messages
    assert line == f"The Content-Security-Policy (script-src-elem) blocked something on {pattern}"


@pytest.mark.django_db
@pytest.mark.parametrize(
    "report",
    [
        "no JSON",
        pytest.param("[" * 10_000, id="too deep"),
        [],
        {"csp-report": None},
        {"csp-report": {"document-uri": 1, "effective-directive": 2}},
        {"csp-report": {"document-uri": "http://[", "effective-directive": "img-src"}},
        report_of("/sign-in", directive=""),
        report_of("/sign-in", directive=NAME),
    ],
)
def test_what_is_no_report_is_not_logged(report: Any, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert send(report) == 204
    assert caplog.messages == []


@pytest.mark.django_db
def test_no_client_fills_the_log(caplog: pytest.LogCaptureFixture) -> None:
    client = Client(REMOTE_ADDR="192.0.2.1")
    with caplog.at_level(logging.WARNING):
        for _ in range(2 * logs.LINES_A_MINUTE + 5):
            send(report_of("/sign-in"), client)
    # Two minutes where the clock strikes meanwhile.
    assert logs.LINES_A_MINUTE <= len(caplog.messages) <= 2 * logs.LINES_A_MINUTE
