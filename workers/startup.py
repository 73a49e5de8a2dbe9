"""Start-up checks: a worker that fails one exits at once with the reason."""

import logging
import sys
from collections.abc import Iterator
from typing import Any

import redis
from celery.concurrency import get_implementation, prefork, solo
from django.conf import settings
from django.core.files.storage import default_storage
from django.db import DatabaseError, connections
from kombu.exceptions import OperationalError

from ml.serving.package import PackageError
from ml.serving.runtimes.choice import DEVICES, LIBRARIES, RUNTIMES
from webportal import keys
from webportal.database import compatibility
from webportal.database.migrated import missing_migrations
from webportal.inference.registry import active_model, verified_package
from webportal.storage import storage_folder
from workers.limits import DRAIN_SECONDS, HARD_LIMIT_SECONDS, VISIBILITY_SECONDS

logger = logging.getLogger(__name__)


def refuse_misconfiguration(worker: Any, *, serves_inference: bool) -> None:
    """Exit with a message if the Celery worker `worker` cannot work as configured."""
    try:
        problem = next(_problems(worker, serves_inference=serves_inference), None)
    finally:
        # A child process must not inherit a connection.
        connections.close_all()
    if problem is not None:
        raise SystemExit(f"This worker does not start. {problem}")
    _warn_of_eviction(worker)


def _problems(worker: Any, *, serves_inference: bool) -> Iterator[str]:
    yield from _check_keys()
    yield from _check_process(worker, serves_inference=serves_inference)
    yield from _check_limits(worker)
    yield from _check_database()
    if serves_inference:
        yield from _check_runtime()
        yield from _check_model()
        yield from _check_storage()


def _check_keys() -> Iterator[str]:
    try:
        keys.check_at_start()
    except keys.RefusedKeyError as error:
        yield str(error)


def _check_process(worker: Any, *, serves_inference: bool) -> Iterator[str]:
    if get_implementation(worker.pool_cls) not in (prefork.TaskPool, solo.TaskPool):
        yield "It needs --pool prefork or solo."
    if not serves_inference and not worker.app.conf.beat_schedule:
        yield "The scheduler is started with --app scheduler.app; workers.app has no schedule."
    if serves_inference and worker.concurrency != 1:
        yield (
            f"Its concurrency is {worker.concurrency}; one process serves one device. Give it "
            "--concurrency 1, and start one more worker for every further device."
        )
    for library in LIBRARIES:
        if library in sys.modules:
            yield f"{library} is loaded before the fork; it would hang in the child process."


def _check_runtime() -> Iterator[str]:
    for name, choices in (("INFERENCE_RUNTIME", RUNTIMES), ("INFERENCE_DEVICE", DEVICES)):
        if getattr(settings, name) not in choices:
            yield f"{name} is {getattr(settings, name)!r}; it must be one of {', '.join(choices)}."


def _check_limits(worker: Any) -> Iterator[str]:
    lease = settings.INFERENCE_LEASE_SECONDS
    hard = worker.time_limit or HARD_LIMIT_SECONDS
    if not DRAIN_SECONDS + 2 * lease < hard < VISIBILITY_SECONDS:
        yield (
            f"The limits are out of order: INFERENCE_LEASE_SECONDS ({lease}) must be under "
            f"{(hard - DRAIN_SECONDS) / 2:.0f}, and the task's time limit ({hard} s) under "
            f"the visibility timeout of {VISIBILITY_SECONDS} s."
        )


def _check_database() -> Iterator[str]:
    try:
        if missing_migrations():
            yield "The database is not migrated. Run 'manage.py prepare' first."
            return
        compatibility.check()
    except compatibility.TooOldError as error:
        yield str(error)
    except DatabaseError as error:
        yield f"The database (DATABASE_URL) cannot be reached: {error}"


def _check_model() -> Iterator[str]:
    model = active_model()
    if model is None:
        yield "No model version is active. Run 'manage.py register_model' or activate one."
        return
    try:
        verified_package(model)
    except PackageError as error:
        yield str(error)


def _check_storage() -> Iterator[str]:
    folder = storage_folder()
    try:
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
        default_storage.listdir("")
    except Exception as error:  # S3 clients raise many kinds
        yield f"The storage (STORAGE_URL) cannot be read: {error}"


def _warn_of_eviction(worker: Any) -> None:
    """Warn if the broker evicts messages when short of memory. A lost hint costs time."""
    try:
        with worker.app.connection_for_read() as broker:
            policy = broker.default_channel.client.config_get("maxmemory-policy")
    except (OperationalError, redis.RedisError, OSError):
        # Celery waits for an unavailable broker; hosted ones often do not expose their settings.
        return
    if policy.get("maxmemory-policy", "noeviction") != "noeviction":
        logger.warning(
            "The broker may evict messages (maxmemory-policy %s); set it to noeviction.",
            policy["maxmemory-policy"],
        )
