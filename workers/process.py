"""The process of one device: engine, heartbeat and shutdown.

`serve` runs in the Celery worker's main process, which never loads TensorFlow. What it sets up is
inherited by the child process that predicts; with `--pool solo` the two are one.
"""

import logging
import mmap
import os
import signal
import threading
import time
from datetime import timedelta
from typing import Any

from celery import current_app
from celery.signals import worker_process_init, worker_process_shutdown, worker_shutting_down
from celery.worker.control import control_command
from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection

from webportal import tracing
from webportal.database import compatibility
from webportal.inference.claims import extend_leases, release_worker
from webportal.inference.hint_sender import INFERENCE_QUEUE, send_hint
from webportal.inference.presence import (
    heartbeat_seconds,
    report_alive,
    report_start,
    report_stop,
)
from webportal.inference.queue import overdue
from webportal.logs import Formatter
from webportal.oversight.shadow import work as shadow_work
from workers.engine import Engine
from workers.heartbeat_file import touch_heartbeat_file
from workers.log_tail import LogTail
from workers.shadowing import Shadowing

logger = logging.getLogger(__name__)

# How long the main process may take to confirm a control command.
ORDER_SECONDS = 2.0

_process: "Process | None" = None


class Process:
    """The state of one inference worker besides Celery."""

    def __init__(self, name: str) -> None:
        self.name = name
        # One shared byte. A multiprocessing event contains a lock that a killed child may never
        # release.
        self._stop_flag = mmap.mmap(-1, 1)
        self.engine = Engine(name, self.is_stopping)
        self._shadowing = Shadowing(self.engine, self.is_stopping)
        self._consumes: bool | None = True
        # `serve` is called in the main process, which receives the signals that stop Celery.
        self._main_process = os.getpid()
        self.log_tail = LogTail()
        self.log_tail.setFormatter(Formatter("{asctime} {levelname} {name}: {message}", style="{"))
        logging.getLogger().addHandler(self.log_tail)

    def is_stopping(self) -> bool:
        """Whether the worker was told to shut down; seen by main process and child alike."""
        return self._stop_flag[0] != 0

    def stop(self) -> None:
        """Tell the engine to stop after the current batch. Called in the main process."""
        self._stop_flag[0] = 1

    def start(self) -> None:
        """Start work in the predicting process: load the model, report, ask for work."""
        tracing.start("chestline-worker", self.name)
        try:
            self.engine.persist(lambda: report_start(self.name))
            # Anything under this name belongs to a dead predecessor.
            self.engine.persist(lambda: release_worker(self.name))
            self.engine.persist(lambda: shadow_work.release(self.name))
            self.engine.load_active_model()
        except Exception:
            # The first task retries, and fails visibly if it cannot.
            logger.exception("The engine is not ready")
        threading.Thread(target=self._keep_reporting, daemon=True, name="heartbeat").start()
        # Hints may have been lost while no worker was running.
        send_hint()

    def _keep_reporting(self) -> None:
        complained = False
        while True:
            # Whether or not the database responds: a restart would not bring it back.
            touch_heartbeat_file()
            try:
                self._report()
                complained = False
            except (DatabaseError, InterfaceError) as error:
                if not complained:
                    logger.warning("The heartbeat does not reach the database: %s", error)
                complained = True
                connection.close()
            except Exception:
                logger.exception("The heartbeat failed")
            time.sleep(heartbeat_seconds())

    def _report(self) -> None:
        news = self.log_tail.news()
        orders = report_alive(
            self.name,
            self.engine.device_name,
            self.engine.model_version,
            self.engine.measured(),
            news,
        )
        if news is not None:
            self.log_tail.was_reported(news)
        held = self.engine.held_jobs()
        if held:
            extend_leases(self.name, held)
        if orders.is_to_stop:
            self._end("Hospital IT has told this worker to stop")
            return
        try:
            compatibility.check()
        except compatibility.TooOldError as error:
            self._end(f"This worker ends. {error}")
            return
        self._consume(not orders.is_draining)
        if not orders.is_draining:
            self._look_after_overdue_jobs()
            self._shadowing.look()

    def _end(self, why: str) -> None:
        """Shut the worker down as a service manager would: the broker may be away."""
        if not self.is_stopping():
            logger.warning(why)
            os.kill(self._main_process, signal.SIGTERM)

    def _consume(self, wanted: bool) -> None:
        """Consume hints, or leave them to other workers: a draining one would waste them.

        A command that the main process does not confirm, because it has lost the broker or is busy
        with a batch, is repeated with the next heartbeat.
        """
        if wanted == self._consumes:
            return
        # Unknown until the command is confirmed: it may have been carried out without a reply.
        self._consumes = None
        control = current_app.control
        order, arguments = (
            (consume_hints.__name__, {})
            if wanted
            else ("cancel_consumer", {"queue": INFERENCE_QUEUE})
        )
        confirmed = control.broadcast(
            order, arguments, destination=[self.name], reply=True, timeout=ORDER_SECONDS
        )
        if not any("ok" in answer for reply in confirmed or [] for answer in reply.values()):
            logger.warning("Whether this worker takes hints could not be changed; trying again")
            return
        self._consumes = wanted
        # A hint may already have been wasted.
        send_hint()

    def _look_after_overdue_jobs(self) -> None:
        """Start work without a hint if jobs wait while this worker is idle, or the model is old.

        Hints are then not being sent or delivered: the broker is down, or Celery has lost its
        connection for good, which has been observed. The model is loaded while nobody waits for it.
        """
        patience = 2 * settings.SWEEP_SECONDS
        if self.engine.idle_seconds < patience:
            return
        if overdue(timedelta(seconds=patience)).exists():
            logger.warning("Jobs wait and no hint arrives; working without")
        elif not self.engine.is_outdated():
            return
        threading.Thread(target=self._drain_unasked, daemon=True, name="unasked").start()

    def _drain_unasked(self) -> None:
        try:
            self.engine.drain()
        except Exception:
            logger.exception("Working without hints failed")
        finally:
            connection.close()


def serve(name: str) -> None:
    """Make this Celery worker an inference worker. Called before its child process is forked."""
    global _process
    process = _process = Process(name)

    # Keeps the signal receivers referenced, which are weak otherwise.
    @worker_process_init.connect(weak=False)
    def start(**kwargs: Any) -> None:
        process.start()

    @worker_process_shutdown.connect(weak=False)
    def report_end(**kwargs: Any) -> None:
        shadow_work.give_back(process.name)
        report_stop(process.name, process.engine.measured(), process.log_tail.news())
        tracing.stop()

    @worker_shutting_down.connect(weak=False)
    def stop(**kwargs: Any) -> None:
        process.stop()


@control_command()
def consume_hints(state: Any) -> dict[str, str]:
    """Resume consuming after Celery's `cancel_consumer`. Runs in the worker's main process.

    Celery's `add_consumer` does not reselect a queue deselected by `cancel_consumer`, so the
    consumer created after the next loss of the broker would lack it.
    """
    consumer = state.consumer

    queues = consumer.app.amqp.queues
    queues.select_add(queues[INFERENCE_QUEUE])
    consumer.call_soon(lambda: consumer.add_task_queue(INFERENCE_QUEUE))
    return {"ok": "hints are consumed"}


def current() -> Process:
    """The process that `serve` has set up."""
    if _process is None:
        raise RuntimeError("This worker does not serve inference.")
    return _process
