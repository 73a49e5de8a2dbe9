"""A worker that cannot work does not start, and says why."""

import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.db.migrations.recorder import MigrationRecorder
from pytest_django.fixtures import Settings

from ml.serving.runtimes.choice import LIBRARIES
from tests.factories import make_model_version
from tests.workers.conftest import SCHEDULER, WORKER, CeleryProcess
from webportal.inference.models import ModelVersion
from workers import startup
from workers.app import app


def problem(*, serves_inference: bool = True, **worker: Any) -> str | None:
    defaults = {"pool_cls": "prefork", "concurrency": 1, "time_limit": None, "app": app}
    stand_in = SimpleNamespace(**defaults | worker)
    return next(startup._problems(stand_in, serves_inference=serves_inference), None)


@pytest.fixture(autouse=True)
def _no_runtime_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests of other packages load them into this process."""
    for library in LIBRARIES:
        monkeypatch.delitem(sys.modules, library, raising=False)


def test_a_valid_configuration_is_accepted(model: ModelVersion) -> None:
    assert problem() is None
    assert problem(pool_cls="solo") is None


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("worker", "words"),
    [({"pool_cls": "threads"}, "--pool"), ({"concurrency": 2}, "--concurrency 1")],
)
def test_another_pool_or_concurrency_is_refused(worker: dict[str, Any], words: str) -> None:
    assert words in (problem(**worker) or "")


def test_the_scheduler_may_have_any_concurrency(model: ModelVersion) -> None:
    scheduler = SimpleNamespace(conf=SimpleNamespace(beat_schedule={"sweep": {}}))
    worker = {"pool_cls": "solo", "concurrency": 2, "app": scheduler}
    assert problem(serves_inference=False, **worker) is None


def test_a_scheduler_without_a_schedule_is_refused(start: Callable[..., CeleryProcess]) -> None:
    worker = start("scheduler@test", SCHEDULER)
    assert worker.process.wait(60) != 0
    assert "The scheduler is started with --app scheduler.app" in worker.log.read_text()


@pytest.mark.django_db
@pytest.mark.parametrize("library", LIBRARIES)
def test_a_runtime_in_the_main_process_is_refused(
    monkeypatch: pytest.MonkeyPatch, library: str
) -> None:
    monkeypatch.setitem(sys.modules, library, SimpleNamespace())
    assert f"{library} is loaded before the fork" in (problem() or "")


@pytest.mark.django_db
def test_a_weak_secret_key_is_refused(settings: Settings) -> None:
    settings.SECRET_KEY = "correct horse"
    assert "SECRET_KEY has 13 characters" in (problem() or "")


@pytest.mark.parametrize("name", ["INFERENCE_RUNTIME", "INFERENCE_DEVICE"])
def test_an_unknown_runtime_or_device_is_refused(
    name: str, model: ModelVersion, settings: Settings
) -> None:
    setattr(settings, name, "abacus")
    assert f"{name} is 'abacus'; it must be one of auto" in (problem() or "")


@pytest.mark.django_db
@pytest.mark.parametrize(("limit", "lease"), [(400, 60), (60, 60), (None, 90)])
def test_limits_out_of_order_are_refused(limit: int | None, lease: int, settings: Settings) -> None:
    settings.INFERENCE_LEASE_SECONDS = lease
    assert "out of order" in (problem(time_limit=limit) or "")


@pytest.mark.django_db
def test_a_database_that_is_not_migrated_is_refused() -> None:
    MigrationRecorder.Migration.objects.filter(app="inference").delete()
    assert "not migrated" in (problem() or "")


@pytest.mark.django_db
def test_a_missing_model_is_refused() -> None:
    assert "No model version is active" in (problem() or "")
    make_model_version(is_active=True)
    assert "put the folder back there" in (problem() or "")


def test_another_package_than_the_registered_one_is_refused(model: ModelVersion) -> None:
    model.package_sha256 = "0" * 64
    model.save()
    assert "not the package that was registered" in (problem() or "")


def test_a_storage_that_cannot_be_used_is_refused(
    model: ModelVersion, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "file"
    file.touch()
    monkeypatch.setattr(startup, "storage_folder", lambda: file / "storage")
    assert "STORAGE_URL" in (problem() or "")


def test_a_refused_worker_exits_with_an_error_that_states_the_reason(
    start: Callable[..., CeleryProcess],
) -> None:
    worker = start("a@test", [*WORKER, "--concurrency", "2"])
    assert worker.process.wait(60) != 0
    assert "This worker does not start. Its concurrency is 2" in worker.log.read_text()
