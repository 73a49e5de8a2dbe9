"""Signatures with AUDIT_KEY, for what is kept outside of the trail."""

import hashlib
import hmac

from django.conf import settings


def keyed_hash(purpose: str, content: bytes) -> str:
    """Return the HMAC of content in hexadecimal.

    It depends on the purpose, so that nothing signed for one passes for something else.
    """
    key = settings.AUDIT_KEY.encode()
    return hmac.new(key, purpose.encode() + b"\n" + content, hashlib.sha256).hexdigest()
