"""The MAC of an entry, over its content and the MAC of the previous entry."""

import hashlib
import hmac
import json
from datetime import datetime
from decimal import Decimal
from typing import Any

from webportal.audit.keyring import Key
from webportal.audit.models import AuditEntry


def compute_mac(entry: AuditEntry, key: Key) -> str:
    """HMAC-SHA-256, in hex, over the previous MAC and the entry's content as canonical JSON.

    An entry without an origin has none in its content either, so that entries of earlier releases
    still verify.
    """
    values = [
        entry.previous_mac,
        entry.sequence,
        _microseconds(entry.at),
        str(entry.actor_id or ""),
        entry.actor,
        entry.action,
        entry.object_type,
        entry.object_id,
        str(entry.study_id or ""),
        as_stored(entry.detail),
    ]
    if entry.origin is not None:
        values.append(as_stored(entry.origin))
    content = json.dumps(values, sort_keys=True, separators=(",", ":"))
    return hmac.new(key.secret, content.encode(), hashlib.sha256).hexdigest()


def as_stored(detail: dict[str, Any]) -> Any:
    """The detail in the form in which PostgreSQL's jsonb returns it.

    Keys become text and tuples lists. jsonb keeps numbers as decimals, so that 1e16 comes back as
    an integer and -0.0 as 0. Raises ValueError for values that JSON cannot represent, such as NaN.
    """
    return json.loads(json.dumps(detail, allow_nan=False), parse_float=as_stored_number)


def as_stored_number(text: str) -> float:
    """A number with a decimal point or exponent as PostgreSQL's jsonb returns it."""
    exact = Decimal(text)
    return int(exact) if exact == exact.to_integral_value() else float(text)


def _microseconds(at: datetime) -> int:
    """The instant as an integer, because text forms differ by time zone and floats by rounding."""
    return int(at.replace(microsecond=0).timestamp()) * 1_000_000 + at.microsecond
