"""deploy/monitoring/: its rules by promtool, its metrics against /metrics, its runbook."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import Settings

from deploy.local.system import ROOT
from tests.factories import make_model_version
from webportal.audit.anchors import anchor
from webportal.audit.models import Action, Verification
from webportal.audit.trail import Event, append
from webportal.backups.models import Backup, BackupState
from webportal.inference.presence import report_alive
from webportal.inference.worker_metrics import Measured
from webportal.intake import metrics as intake_metrics
from webportal.notifications.alerts import ALERTS
from webportal.oversight.drift.weeks import last_complete_week
from webportal.oversight.models import DriftWeek

MONITORING = ROOT / "deploy" / "monitoring"
RUNBOOK = (ROOT / "docs" / "runbook.md").read_text()
CODE_LABEL = "{{ $labels.code }}"
# Of Prometheus itself.
UP = "up"
_NAME = re.compile(r"\b(?:up|chestline[a-z0-9_:]*)\b(?=[\s{)\[]|$)")
_STRING = re.compile(r'"[^"]*"')
_MATCHER = re.compile(r'(chestline_\w+)\{[^}]*?(\w+)=~?"([^"$]*)"')


def load(name: str) -> Any:
    return yaml.safe_load((MONITORING / name).read_text())


def rules(name: str) -> list[dict[str, Any]]:
    return [rule for group in load(name)["groups"] for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((MONITORING / "dashboard.json").read_text())["panels"]
    return found


def expressions() -> list[str]:
    of_panels = [target["expr"] for panel in panels() for target in panel.get("targets", [])]
    of_rules = [rule["expr"] for name in ("alerts.yaml", "recording.yaml") for rule in rules(name)]
    assert len(of_panels) > 20
    return of_panels + of_rules


@pytest.fixture
def promtool() -> str:
    found = shutil.which("promtool")
    if found is None:
        pytest.skip("needs promtool (Debian: prometheus)")
    return found


@pytest.fixture
def scraped(db: None, client: Client, settings: Settings) -> str:
    """What /metrics returns where there is a backup, an anchor and a verification."""
    settings.METRICS_TOKEN = "of the tests"
    now = timezone.now()
    Backup.objects.create(
        name="last", started_at=now, seen_at=now, finished_at=now, state=BackupState.COMPLETE
    )
    append(Event(Action.SIGNED_IN), "ann")
    anchor()
    Verification.objects.create(requested_at=now, finished_at=now)
    _add_week()
    report_alive("gpu-1", "gpu:0", "1", Measured().as_json())
    intake_metrics.verdicts.labels("accepted")
    intake_metrics.seconds.labels("check")
    client.get("/health/live")
    response = client.get("/metrics", headers={"Authorization": "Bearer of the tests"})
    assert response.status_code == 200
    return response.text


def _add_week() -> None:
    """A week of the active version that was compared with its first ones."""
    DriftWeek.objects.create(
        model_version=make_model_version(is_active=True),
        starts_on=last_complete_week(),
        computed_at=timezone.now(),
        scored=300,
        is_reference=False,
        psi=0.01,
        figures={},
    )


def run(*command: str, folder: Path = MONITORING) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_fires_when_it_should_and_only_then(promtool: str) -> None:
    run(promtool, "test", "rules", "alerts_test.yaml")


def test_every_alert_has_a_case_in_which_it_fires_and_one_in_which_it_does_not() -> None:
    cases = {
        (case["alertname"], bool(case["exp_alerts"]))
        for test in load("alerts_test.yaml")["tests"]
        for case in test.get("alert_rule_test", [])
    }
    names = {rule["alert"] for rule in rules("alerts.yaml")}
    assert cases == {(name, fires) for name in names for fires in (True, False)}


def test_the_example_of_a_configuration_is_valid(promtool: str, tmp_path: Path) -> None:
    for name in ("alerts.yaml", "recording.yaml"):
        shutil.copy(MONITORING / name, tmp_path)
    token = tmp_path / "token"
    token.write_text("secret")
    text = (MONITORING / "prometheus.yaml").read_text()
    (tmp_path / "prometheus.yaml").write_text(
        text.replace("/etc/prometheus/chestline-metrics-token", str(token))
    )
    run(promtool, "check", "config", "--lint-fatal", "prometheus.yaml", folder=tmp_path)


def test_the_expressions_of_the_dashboard_are_valid(promtool: str, tmp_path: Path) -> None:
    checked = [
        {"record": f"checked:{number}", "expr": expression}
        for number, expression in enumerate(expressions())
    ]
    (tmp_path / "rules.yaml").write_text(
        yaml.safe_dump({"groups": [{"name": "dashboard", "rules": checked}]})
    )
    run(promtool, "check", "rules", "rules.yaml", folder=tmp_path)


def test_metrics_have_the_format_that_prometheus_expects(promtool: str, scraped: str) -> None:
    done = subprocess.run(
        [promtool, "check", "metrics"], input=scraped, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_every_metric_exists(scraped: str) -> None:
    offered = {re.split(r"[{ ]", line)[0] for line in scraped.splitlines() if line[0] != "#"}
    recorded = {rule["record"] for rule in rules("recording.yaml")}
    used = {name for each in expressions() for name in _NAME.findall(_STRING.sub('""', each))}
    assert used - offered - recorded == {UP}
    # And what is offered is shown, but for the sums and numbers that belong to histograms.
    assert {name for name in offered - used if not name.endswith(("_sum", "_count"))} == set()


def test_every_value_of_a_label_exists(scraped: str) -> None:
    """A misspelt state would show an empty panel, and never fire."""
    chosen = [found for each in expressions() for found in _MATCHER.findall(_without_job(each))]
    assert len(chosen) >= 5
    for metric, label, values in chosen:
        for value in values.split("|"):
            assert f'{metric}{{{label}="{value}"}}' in scraped


def _without_job(expression: str) -> str:
    return expression.replace('job="$job", ', "").replace('{job="$job"}', "")


def test_every_alert_has_its_heading_in_the_runbook() -> None:
    headings = {line[4:].strip("`") for line in RUNBOOK.splitlines() if line.startswith("### ")}
    assert ALERTS.keys() <= headings
    for rule in rules("alerts.yaml"):
        document, _, anchor_name = rule["annotations"]["runbook"].partition("#")
        assert document == "docs/runbook.md"
        if anchor_name != CODE_LABEL:
            assert rule["alert"] in headings
            assert anchor_name == rule["alert"].lower()


def test_the_runbook_has_no_heading_of_an_alert_that_is_gone() -> None:
    headings = {line[4:].strip("`") for line in RUNBOOK.splitlines() if line.startswith("### ")}
    by_code = {"ChestlineAlertCritical", "ChestlineAlertWarning"}
    assert headings == ALERTS.keys() | {rule["alert"] for rule in rules("alerts.yaml")} - by_code


def test_every_command_in_the_runbook_exists() -> None:
    commands = set(re.findall(r"manage\.py (\w+)", RUNBOOK))
    assert len(commands) > 3
    for command in commands:
        assert list((ROOT / "webportal").glob(f"*/management/commands/{command}.py")), command


def test_every_panel_has_an_id_of_its_own() -> None:
    """Grafana opens, links and embeds a panel by it."""
    ids = [panel["id"] for panel in panels()]
    assert len(ids) == len(set(ids))


def test_panels_do_not_overlap() -> None:
    cells = [
        (x, y)
        for position in (panel["gridPos"] for panel in panels())
        for x in range(position["x"], position["x"] + position["w"])
        for y in range(position["y"], position["y"] + position["h"])
    ]
    assert len(cells) == len(set(cells))
    assert {x for x, _ in cells} == set(range(24))
