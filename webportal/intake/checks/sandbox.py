"""Running code on untrusted files in a process of its own, with limits.

A file that crashes a decoder, eats memory or never ends costs only itself. The processes are forked
from a server that has the decoders loaded, so that one costs milliseconds, and that has no threads,
so that forking is safe beside a threaded web server. The server reaps them.
"""

import contextlib
import multiprocessing
import os
import resource
import signal
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, TypeVar, cast

from ml.images import ImageError
from webportal.intake.checks.messages import CheckError

Result = TypeVar("Result")

# The modules are loaded before the first fork, so that every child has them already.
_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["__main__", "webportal.intake.checks.image_file"])


@dataclass(frozen=True)
class Limits:
    """What one call may use: bytes of memory beyond the start, and seconds."""

    memory: int = 2 * 1024**3
    cpu_seconds: int = 30
    wall_seconds: float = 60


DEFAULT_LIMITS = Limits()


def run(
    function: Callable[..., Result], *arguments: Any, limits: Limits = DEFAULT_LIMITS
) -> Result:
    """Return `function(*arguments)`, called in a process of its own.

    The function must be importable; arguments and result must be picklable. An ImageError that it
    raises is raised here too, and any other way to end becomes an ImageError: `too_much_memory`,
    `too_slow` or `decoder_failed`.
    """
    receiving, sending = _context.Pipe(duplex=False)
    process = _context.Process(
        target=_child, args=(sending, limits, function, arguments), daemon=True
    )
    with receiving:
        with sending:
            process.start()
        try:
            answered = receiving.poll(limits.wall_seconds)
            result = receiving.recv() if answered else _too_slow()
        except (EOFError, OSError):
            result = None
        finally:
            process.join(timeout=1)
            if process.is_alive():
                process.kill()
                process.join()
    if result is None:
        result = _too_slow() if process.exitcode == -signal.SIGXCPU else _decoder_failed()
    if isinstance(result, ImageError):
        raise result
    return cast(Result, result)


def _too_slow() -> ImageError:
    return CheckError("too_slow")


def _decoder_failed() -> ImageError:
    return CheckError("decoder_failed")


def _child(
    sending: Connection,
    limits: Limits,
    function: Callable[..., Any],
    arguments: tuple[Any, ...],
) -> None:
    _confine(limits)
    try:
        result: Any = function(*arguments)
    except ImageError as error:
        result = error
    except MemoryError:
        result = CheckError("too_much_memory")
    sending.send(result)


def _confine(limits: Limits) -> None:
    # Without /proc, on macOS, the kernel enforces no limit on memory either.
    statm = Path("/proc/self/statm")
    if statm.exists():
        memory = int(statm.read_text().split()[0]) * resource.getpagesize() + limits.memory
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CPU, (limits.cpu_seconds, limits.cpu_seconds + 1))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # Decoders complain about a file on stderr, and may quote it.
    with contextlib.suppress(OSError):
        silence = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silence, 1)
        os.dup2(silence, 2)
