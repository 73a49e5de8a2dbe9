"""TLS connections that end in time, however slowly the other side reads or answers.

The time limit of a socket is for one operation: a server that sends a byte every few seconds would
never exceed it.
"""

import math
import ssl
import time
from typing import Any


class BoundedContext(ssl.SSLContext):
    """A client's context; its connections raise TimeoutError after `ends_at` (monotonic time)."""

    ends_at = math.inf


class _BoundedSocket(ssl.SSLSocket):
    def read(self, *args: Any, **kwargs: Any) -> Any:
        self._limit()
        return super().read(*args, **kwargs)

    def send(self, *args: Any, **kwargs: Any) -> int:
        self._limit()
        return super().send(*args, **kwargs)

    def _limit(self) -> None:
        left = getattr(self.context, "ends_at", math.inf) - time.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        limit = self.gettimeout()
        if limit is None or limit > left:
            self.settimeout(left)


BoundedContext.sslsocket_class = _BoundedSocket


def bounded_context(ends_at: float) -> BoundedContext:
    """A context that verifies certificates and names, without any authorities yet."""
    context = BoundedContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.ends_at = ends_at
    return context
