"""TLS connections with a deadline, however slowly the other side reads or answers.

A socket's timeout applies to each operation: a server that sends a byte every few seconds would
never exceed it.
"""

import math
import ssl
import time
from typing import Any

from django.conf import settings


class _BoundedSocket(ssl.SSLSocket):
    #: The monotonic time after which it raises TimeoutError.
    ends_at = math.inf

    def read(self, *args: Any, **kwargs: Any) -> Any:
        self._limit()
        return super().read(*args, **kwargs)

    def send(self, *args: Any, **kwargs: Any) -> int:
        self._limit()
        return super().send(*args, **kwargs)

    def _limit(self) -> None:
        left = self.ends_at - time.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        limit = self.gettimeout()
        if limit is None or limit > left:
            self.settimeout(left)


def bounded_context(ends_at: float) -> ssl.SSLContext:
    """A client's context whose connections raise TimeoutError after `ends_at` (monotonic time).

    It trusts the certificate authorities in AUDIT_EXPORT_CA, or by default the system's. Raises
    OSError if they cannot be read.
    """
    context = ssl.create_default_context(cafile=settings.AUDIT_EXPORT_CA or None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.sslsocket_class = type("BoundedSocket", (_BoundedSocket,), {"ends_at": ends_at})
    return context
