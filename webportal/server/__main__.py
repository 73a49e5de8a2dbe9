"""Runs the portal: `python -m webportal.server --bind HOST:PORT`, or `--fd N`."""

import argparse
import logging
import os
import resource
import signal
import socket
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import uvicorn

from webportal.server.gdcm_later import load_gdcm_once_needed

KEEP_ALIVE_SECONDS = 15
STOP_SECONDS = 5
HEADER_BYTES = 32 * 1024
BACKLOG = 1024
# Files left by an interrupted process in the upload folder are removed after this long.
LEFT_OVER_SECONDS = 86_400

logger = logging.getLogger("webportal.server")


def main() -> None:
    """Serve until SIGTERM; requests in progress get a few seconds to finish."""
    options = read_options()
    _allow_many_files()
    load_gdcm_once_needed()
    # Sets Django up, which the bridge needs.
    from webportal.wsgi import application  # noqa: I001

    from django.conf import settings
    from django.db import DatabaseError
    from webportal import keys, tracing
    from webportal.database import compatibility
    from webportal.access.system import record_start, record_stop
    from webportal.server.bridge import Bridge
    from webportal.server.connections import Connection, prepare_listener

    try:
        keys.check_at_start()
    except keys.RefusedKeyError as error:
        raise SystemExit(f"The portal does not start. {error}") from error
    try:
        compatibility.check()
    except compatibility.TooOldError as error:
        raise SystemExit(f"The portal does not start. {error}") from error
    except DatabaseError:
        # It may come later; pages say so until then.
        pass
    _prepare_folder(settings.UPLOAD_TEMP_DIR)
    listener = _listener(options)
    prepare_listener(listener)
    # Clients that do not speak HTTP must not be able to flood the log.
    logging.getLogger("uvicorn").setLevel(logging.ERROR)
    config = uvicorn.Config(
        Bridge(application),
        loop="asyncio",
        http=Connection,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        # webportal.client_address knows how many proxies are trusted.
        proxy_headers=False,
        server_header=False,
        backlog=BACKLOG,
        h11_max_incomplete_event_size=HEADER_BYTES,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=STOP_SECONDS,
    )
    record_start("portal")
    tracing.start("chestline-portal", socket.gethostname())
    # uvicorn re-raises the signal that stopped it, which would end the process at once.
    signal.signal(signal.SIGTERM, lambda *_: None)
    compatibility.watch(lambda: os.kill(os.getpid(), signal.SIGINT))
    logger.info("listening on %s", listener.getsockname())
    with suppress(KeyboardInterrupt):
        uvicorn.Server(config).run(sockets=[listener])
    record_stop("portal")
    tracing.stop()
    # Python would wait for threads, and a ZIP may take minutes; what it has stored so far is kept.
    os._exit(0)


def read_options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(prog="python -m webportal.server", description=__doc__)
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--bind", metavar="HOST:PORT", help="listen here; [HOST]:PORT for IPv6")
    where.add_argument("--fd", type=int, help="the number of a socket that listens already")
    return parser.parse_args(arguments)


def _listener(options: argparse.Namespace) -> socket.socket:
    if options.fd is not None:
        return socket.socket(fileno=options.fd)
    host, _, port = options.bind.rpartition(":")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host.strip("[]"), int(port)), family=family, backlog=BACKLOG)


def _allow_many_files() -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _prepare_folder(folder: Path) -> None:
    """Create the folder for bodies in transit, and remove leftovers of an interrupted process."""
    from django.conf import settings

    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Also for multipart forms. TMPDIR is not changed: process sockets are there, and their paths
    # must be short.
    settings.FILE_UPLOAD_TEMP_DIR = str(folder)
    for file in folder.iterdir():
        with suppress(FileNotFoundError):
            if file.is_file() and time.time() - file.stat().st_mtime > LEFT_OVER_SECONDS:
                file.unlink()


if __name__ == "__main__":
    main()
