"""The workers' application, but a file that begins with KILL kills the process that decodes it."""

import os
import signal

from ml import images
from workers.app import app

__all__ = ["app"]

_read = images.read_smaller


def read_or_die(data: bytes, side: int) -> images.GreyImage:
    if data.startswith(b"KILL"):
        os.kill(os.getpid(), signal.SIGKILL)
    return _read(data, side)


images.read_smaller = read_or_die
