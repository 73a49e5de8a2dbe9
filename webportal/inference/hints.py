"""Hints to the workers, over Celery, that there is work; they may be lost, doubled or late."""

import logging

from celery import Celery
from django.conf import settings
from django.db import connection, transaction
from kombu import Queue
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

logger = logging.getLogger(__name__)

DRAIN_TASK = "workers.tasks.drain"
INFERENCE_QUEUE = "inference"

# Only sends; the application that receives is workers.app. Without a broker an upload must not
# wait, so a send fails within seconds and is left to the sweep.
_sender = Celery("chestline-hints", broker=settings.BROKER_URL, set_as_current=False)
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
    """Put 'there is work' on the queue; returns whether the broker took it."""
    try:
        _sender.send_task(DRAIN_TASK, queue=INFERENCE_QUEUE, retry=False)
    except (OperationalError, OSError) as error:
        logger.warning("No hint was sent, the sweep will send one: %s", error)
        return False
    return True


def drop_hints() -> None:
    """Take all waiting hints off the queue.

    For a worker that found nothing more to do and looks once again afterwards: what those hints
    tell of was committed before they were sent. Five hundred uploads send five hundred hints, and
    each would cost a worker a look at an empty queue.
    """
    try:
        with _sender.connection_for_write() as broker:
            Queue(INFERENCE_QUEUE, channel=broker.default_channel).purge()
    except (OperationalError, OSError, RedisError) as error:
        logger.warning("Hints that are not needed any more were left: %s", error)


def hint_after_commit() -> None:
    """Send a hint, one for all, once the present transaction is committed."""
    if all(function is not _send_hint for _, function, *_ in connection.run_on_commit):
        transaction.on_commit(_send_hint)


def _send_hint() -> None:
    send_hint()
