"""Running code on untrusted files in separate processes, with limits.

A file that crashes a decoder, exhausts memory or hangs affects only itself. The processes are
forked from a server that has the decoders loaded and no threads, so that forking is safe beside a
threaded web server. The server reaps them.

A process handles one call after another, each within its own limits, because starting a process
costs more than checking a file. It is replaced after a call that ended badly, and after CALLS in
any case. A crash or lack of memory counts against the file only in a fresh process: otherwise the
call is repeated in a new one, so that no file suffers from an earlier one. A timeout counts in any
process.
"""

import fcntl
import multiprocessing
import os
import resource
import signal
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, TypeVar, cast

from ml.errors import ImageError
from webportal.intake.checks.messages import CheckError

Result = TypeVar("Result")

# Loaded before the first fork, so that every child has these modules already.
_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["__main__", "webportal.intake.checks.image_file"])

#: A process is replaced after this many calls, so that leaks in decoders do not accumulate.
CALLS = 100
#: A process idle for this many seconds ends, which frees its memory.
IDLE_SECONDS = 30.0
# The most that the kernel gives everybody.
_PIPE_BYTES = 1024**2


@dataclass(frozen=True)
class Limits:
    """The limits of one call: bytes of memory on top of the process's size, and seconds."""

    memory: int = 2 * 1024**3
    cpu_seconds: int = 30
    wall_seconds: float = 60


DEFAULT_LIMITS = Limits()


class _Lost(Exception):
    """The process has ended without an answer; `signal` is the signal that ended it, if any."""

    def __init__(self, exit_code: int | None) -> None:
        super().__init__()
        self.signal = -exit_code if exit_code and exit_code < 0 else None


class _Checker:
    """A process that handles calls, one at a time."""

    def __init__(self) -> None:
        calls, self._calls = _pipe()
        self._answers, answers = _pipe()
        with calls, answers:
            self._process: BaseProcess = _context.Process(
                target=_serve, args=(calls, answers), daemon=True
            )
            self._process.start()
        self.calls = 0

    def call(self, function: Callable[..., Any], arguments: tuple[Any, ...], limits: Limits) -> Any:
        """Return the function's result, or the ImageError that it raises or that its end implies.

        Raises _Lost if the process ended instead.
        """
        self.calls += 1
        try:
            self._calls.send((limits, function, arguments))
            return self._answers.recv() if self._answers.poll(limits.wall_seconds) else None
        except (EOFError, OSError):
            self._process.join(timeout=1)
            raise _Lost(self._process.exitcode) from None

    def end(self) -> None:
        """Kill the process, whatever it is doing."""
        self._calls.close()
        self._answers.close()
        if self._process.is_alive():
            self._process.kill()
        self._process.join()


def _pipe() -> tuple[Connection, Connection]:
    """Return the ends of a pipe that takes a radiograph at once, to read from and to write to.

    Otherwise either side would be woken for every 64 KB.
    """
    ends = _context.Pipe(duplex=False)
    # Not on macOS, and refused to users who have many pipes.
    with suppress(AttributeError, OSError):
        fcntl.fcntl(ends[0].fileno(), fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
    return ends


_idle: deque[_Checker] = deque()
# A process forked from this one shares nothing with it.
os.register_at_fork(after_in_child=_idle.clear)


def run(
    function: Callable[..., Result], *arguments: Any, limits: Limits = DEFAULT_LIMITS
) -> Result:
    """Return `function(*arguments)`, called in another process.

    The function must be importable; arguments and result must be picklable. An ImageError that it
    raises is raised here too, and any other failure becomes an ImageError: `too_much_memory`,
    `too_slow` or `decoder_failed`.
    """
    result = _call(_take(), function, arguments, limits)
    if result is _REPEAT:
        result = _call(_Checker(), function, arguments, limits)
    if isinstance(result, ImageError):
        raise result
    return cast(Result, result)


_REPEAT = object()


def _take() -> _Checker:
    try:
        return _idle.pop()
    except IndexError:
        return _Checker()


def _call(
    checker: _Checker,
    function: Callable[..., Any],
    arguments: tuple[Any, ...],
    limits: Limits,
) -> Any:
    """Return the result or the ImageError, or _REPEAT to try again in another process."""
    is_new = checker.calls == 0
    is_sound = False
    try:
        result = checker.call(function, arguments, limits)
        if result is None:
            return CheckError("too_slow")
        answer, is_sound = result
        return answer if is_sound or is_new else _REPEAT
    except _Lost as lost:
        if lost.signal == signal.SIGPROF:
            return CheckError("too_slow")
        return CheckError("decoder_failed") if is_new else _REPEAT
    finally:
        if is_sound and checker.calls < CALLS:
            _idle.append(checker)
        else:
            checker.end()


def _serve(calls: Connection, answers: Connection) -> None:
    """Handle calls until there are no more; runs in the child process."""
    _discard_output()
    while calls.poll(IDLE_SECONDS):
        try:
            limits, function, arguments = calls.recv()
        except EOFError:
            return
        answers.send(_answer(limits, function, arguments))


def _answer(
    limits: Limits, function: Callable[..., Any], arguments: tuple[Any, ...]
) -> tuple[Any, bool]:
    """Return the result or the ImageError, and whether this process is still fit for use."""
    _confine(limits)
    try:
        return function(*arguments), True
    except ImageError as error:
        return error, True
    except MemoryError:
        return CheckError("too_much_memory"), False


def _confine(limits: Limits) -> None:
    """Set the limits for the next call, replacing those of the previous one."""
    # Without /proc, on macOS, the kernel enforces no limit on memory either.
    statm = Path("/proc/self/statm")
    if statm.exists():
        memory = int(statm.read_text().split()[0]) * resource.getpagesize() + limits.memory
        _limit(resource.RLIMIT_AS, memory)
    # SIGPROF ends the process even in native code. RLIMIT_CPU counts from the start of the process,
    # with a clock that cannot be read exactly.
    signal.setitimer(signal.ITIMER_PROF, limits.cpu_seconds)
    _limit(resource.RLIMIT_CORE, 0)


def _limit(what: int, most: int) -> None:
    _, hard = resource.getrlimit(what)
    resource.setrlimit(what, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))


def _discard_output() -> None:
    # Decoders report problems on stderr, and may quote the file.
    with suppress(OSError):
        silence = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silence, 1)
        os.dup2(silence, 2)
