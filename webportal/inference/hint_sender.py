"""Sending and dropping hints over Celery; see `hints`."""

import logging

from celery import Celery
from django.conf import settings
from kombu import Queue
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

logger = logging.getLogger(__name__)

DRAIN_TASK = "workers.tasks.drain"
INFERENCE_QUEUE = "inference"

# Send-only; the receiving application is workers.app. An upload must not wait for a missing broker,
# so sending fails within seconds and is left to the sweep. Without Celery's fix-up of Django, which
# would close the worker's database connection around each task.
_sender = Celery("chestline-hints", broker=settings.BROKER_URL, set_as_current=False, fixups=[])
_sender.conf.update(
    broker_transport_options={
        "socket_connect_timeout": 2,
        "socket_timeout": 2,
        "max_retries": 0,
        "retry_on_timeout": False,
    },
    task_ignore_result=True,
)


def send_hint() -> bool:
    """Queue a hint; returns whether the broker accepted it."""
    try:
        _sender.send_task(DRAIN_TASK, queue=INFERENCE_QUEUE, retry=False)
    except (OperationalError, OSError) as error:
        logger.warning("No hint was sent, the sweep will send one: %s", error)
        return False
    return True


def drop_hints() -> None:
    """Remove all waiting hints from the queue.

    For a worker that found nothing more to do and checks once again afterwards: the work was
    committed before its hints were sent. Five hundred uploads send five hundred hints, each of
    which would cost a worker a query of an empty queue.
    """
    try:
        with _sender.connection_or_acquire() as broker:
            Queue(INFERENCE_QUEUE, channel=broker.default_channel).purge()
    except (OperationalError, OSError, RedisError) as error:
        logger.warning("Hints that are not needed any more were left: %s", error)
