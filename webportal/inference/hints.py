"""Telling the workers, over Celery, that there is work. A hint may be lost, doubled or late."""

import logging

from celery import Celery
from django.conf import settings
from django.db import transaction
from kombu.exceptions import OperationalError

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


def hint_after_commit() -> None:
    """Send a hint once the present transaction is committed."""
    transaction.on_commit(send_hint)
