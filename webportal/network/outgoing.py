"""Work on associations that the receiver opens itself: reports, worklist queries, priors.

Each node is served in its own thread, so that one that hangs does not delay the others, and by
only one process at a time, on one association.
"""

import logging
import threading
import time
import uuid

from django.db import connection

from webportal.database.clock import clock
from webportal.database.locks import trying_lock
from webportal.network import commitment, commitment_requests, worklist
from webportal.network.priors import fetching, planning, prior_requests

logger = logging.getLogger(__name__)

_PAUSE_SECONDS = 1.0
_PAUSE_AFTER_FAULT_SECONDS = 10.0
_CLEAN_UP_SECONDS = 3600.0
_LOCK = 0x6E6F6465  # "node"


def run(stopping: threading.Event) -> None:
    """Serve the nodes until `stopping` is set."""
    threads: dict[uuid.UUID, threading.Thread] = {}
    cleaned_up_at = -_CLEAN_UP_SECONDS
    while not stopping.is_set():
        pause = _PAUSE_SECONDS
        try:
            if time.monotonic() - cleaned_up_at >= _CLEAN_UP_SECONDS:
                commitment_requests.remove_old()
                cleaned_up_at = time.monotonic()
            planning.plan()
            for node in _nodes_with_work():
                running = threads.get(node)
                if running is None or not running.is_alive():
                    threads[node] = _start(node, stopping)
        except Exception as error:  # nothing would restart this thread
            logger.error("The work for nodes waits: %s", type(error).__name__)
            connection.close()
            pause = _PAUSE_AFTER_FAULT_SECONDS
        stopping.wait(pause)
    connection.close()


def _nodes_with_work() -> set[uuid.UUID]:
    now = clock()
    waiting = (commitment_requests.due(now), prior_requests.due(now))
    found = {node for rows in waiting for node in rows.order_by().values_list("node", flat=True)}
    return {*found, *worklist.nodes_to_ask()}


def _start(node: uuid.UUID, stopping: threading.Event) -> threading.Thread:
    thread = threading.Thread(
        target=_serve_apart, args=(node, stopping), name=f"node {node}", daemon=True
    )
    thread.start()
    return thread


def _serve_apart(node: uuid.UUID, stopping: threading.Event) -> None:
    try:
        serve(node, stopping)
    except Exception as error:  # pynetdicom and pydicom raise arbitrary exceptions
        logger.error("A node waits: %s", type(error).__name__)
    finally:
        connection.close()


def serve(node: uuid.UUID, stopping: threading.Event) -> None:
    """Carry out the due work for a node, unless another process is doing it."""
    with trying_lock(_LOCK, int.from_bytes(node.bytes[:4], "big", signed=True)) as is_mine:
        if not is_mine:
            return
        for row in commitment_requests.due(clock()).filter(node=node).select_related("node"):
            if stopping.is_set():
                return
            commitment.report(row)
        worklist.ask(node, stopping)
        fetching.fetch_due(node, stopping)
