"""The sending process: fills the outbox, and serves each destination in a separate thread.

A destination that hangs blocks only its own thread. A lock keeps other processes from serving it.
"""

import logging
import threading
import time
import uuid
from contextlib import AbstractContextManager

from django.db import Error, connection

from webportal.database.locks import trying_lock
from webportal.delivery import attempts, confirming, planning
from webportal.delivery.models import Destination
from webportal.delivery.senders import sender_for
from webportal.delivery.senders.outcome import SendResult

logger = logging.getLogger(__name__)

PAUSE_SECONDS = 2.0
_PAUSE_AFTER_FAULT_SECONDS = 10.0
# How long the process waits for deliveries in progress when it exits.
_STOP_SECONDS = 5.0
_CLOSE_AFTER = (SendResult.AGAIN, SendResult.AWAY, SendResult.DOUBTFUL)
_LOCK = 0x73656E64  # "send"


def run(stopping: threading.Event) -> None:
    """Send until `stopping` is set or no destination is left."""
    threads: dict[uuid.UUID, threading.Thread] = {}
    while not stopping.is_set():
        pause = PAUSE_SECONDS
        try:
            planning.plan()
            destinations = planning.active_destinations()
            if not destinations:
                return
            for destination in destinations:
                running = threads.get(destination.pk)
                if (running is None or not running.is_alive()) and _has_work(destination):
                    threads[destination.pk] = _start(destination, stopping)
        except Error as error:
            logger.error("The outbox waits: %s", type(error).__name__)
            connection.close()
            pause = _PAUSE_AFTER_FAULT_SECONDS
        stopping.wait(pause)
    deadline = time.monotonic() + _STOP_SECONDS
    for thread in threads.values():
        thread.join(max(0.0, deadline - time.monotonic()))


def _has_work(destination: Destination) -> bool:
    if not attempts.is_open(destination):
        return False
    return attempts.due(destination).exists() or confirming.to_confirm(destination).exists()


def _start(destination: Destination, stopping: threading.Event) -> threading.Thread:
    name = f"destination {destination.pk}"
    thread = threading.Thread(
        target=_serve_apart, args=(destination, stopping), name=name, daemon=True
    )
    thread.start()
    return thread


def _serve_apart(destination: Destination, stopping: threading.Event) -> None:
    try:
        serve(destination, stopping)
    except Error as error:
        logger.error("A destination waits: %s", type(error).__name__)
    finally:
        connection.close()


def serve(destination: Destination, stopping: threading.Event) -> int:
    """Send all deliveries due to a destination; return the number of attempts."""
    with _alone(destination) as is_alone:
        if not is_alone:
            return 0
        sender = sender_for(destination)
        made = 0
        try:
            while not stopping.is_set() and attempts.is_open(destination):
                delivery = attempts.due(destination).first()
                if delivery is None:
                    break
                outcome = attempts.attempt(delivery, sender)
                made += outcome is not None
                if outcome is not None and outcome.result in _CLOSE_AFTER:
                    sender.close()
            if not stopping.is_set() and attempts.is_open(destination):
                confirming.confirm(destination, sender)
        finally:
            sender.close()
        return made


def _alone(destination: Destination) -> AbstractContextManager[bool]:
    """Hold a destination's lock."""
    return trying_lock(_LOCK, int.from_bytes(destination.pk.bytes[:4], "big", signed=True))
