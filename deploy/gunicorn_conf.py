"""Gunicorn settings for the portal; GUNICORN_CMD_ARGS overrides any of them."""

from pathlib import Path
from typing import Any

wsgi_app = "webportal.wsgi"
# Pages wait for the database, not for the processor: threads of one small process are enough.
worker_class = "gthread"
workers = 1
threads = 8
graceful_timeout = 5
# A worker's heartbeat is a file; on a busy disk it would look like a hung worker.
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None
control_socket_disable = True


def post_worker_init(worker: Any) -> None:
    """Record the start; Django is set up by now."""
    from webportal.access.system import record_start

    record_start("portal")


def worker_exit(server: Any, worker: Any) -> None:
    """Record an orderly stop, unless the worker never came to serve anything."""
    import django.apps

    if django.apps.apps.ready:
        from webportal.access.system import record_stop

        record_stop("portal")
