"""Celery application: queue, limits and start-up checks.

A message is only a hint that there is work; the job's row is the source of truth. Start an
inference worker, one per device, with

    celery --app workers.app worker --pool prefork --concurrency 1 --queues inference

`scheduler.app` is this application with the schedule and its tasks.
"""

import logging
import os
from typing import Any

from celery import Celery
from celery.signals import setup_logging, task_prerun, worker_init
from django.conf import settings
from django.db import close_old_connections

from webportal.inference.hint_sender import INFERENCE_QUEUE
from workers import process
from workers.limits import HARD_LIMIT_SECONDS, VISIBILITY_SECONDS
from workers.startup import refuse_misconfiguration

# Django's checks, which `manage.py prepare` has made: for them, each start would load every page.
os.environ["CELERY_SKIP_CHECKS"] = "true"

app = Celery("chestline", include=["workers.tasks"])
app.conf.update(
    broker_url=settings.BROKER_URL,
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    broker_transport_options={
        "visibility_timeout": VISIBILITY_SECONDS,
        "socket_keepalive": True,
    },
    accept_content=["json"],
    task_serializer="json",
    task_default_queue=INFERENCE_QUEUE,
    task_ignore_result=True,
    # Hints are acknowledged late; if a worker is lost, its hint returns to the broker. The attempt
    # count in each job's row limits the retries.
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    worker_prefetch_multiplier=1,
    # There is no soft limit: hangs occur in a decoder or the device, in native code that an
    # exception cannot interrupt. The process is killed and replaced, and its jobs are retried one
    # at a time.
    task_time_limit=HARD_LIMIT_SECONDS,
    # A worker that lost the broker still holds its jobs, and its results are valid: the claim, not
    # the message, prevents duplicate work.
    worker_cancel_long_running_tasks_on_connection_loss=False,
    # Importing TensorFlow and loading the model takes longer than the four seconds that Celery
    # gives a process to start.
    worker_proc_alive_timeout=300,
    # Celery would close the database connection before and after each task, and each new one costs
    # PostgreSQL a process. See `_check_connection`.
    CELERY_DB_REUSE_MAX=10**9,
)


@task_prerun.connect
def _check_connection(**kwargs: Any) -> None:
    """Let a connection that is old or broken be replaced, as Django does before each request."""
    close_old_connections()


@setup_logging.connect
def _set_up_logging(**kwargs: Any) -> None:
    """Leave logging to Django's settings, and suppress Celery's three lines per hint.

    Celery adds handlers of its own unless something is connected to this signal.
    """
    for name in ("celery.beat", "celery.worker.strategy", "celery.app.trace"):
        logging.getLogger(name).setLevel(logging.WARNING)


@worker_init.connect
def _prepare(sender: Any, **kwargs: Any) -> None:
    """Refuse a misconfigured start; in an inference worker, prepare for the fork."""
    serves_inference = INFERENCE_QUEUE in sender.app.amqp.queues.consume_from
    refuse_misconfiguration(sender, serves_inference=serves_inference)
    if serves_inference:
        process.serve(sender.hostname)
