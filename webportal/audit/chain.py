"""Reading the chain from its beginning and recomputing every MAC, in batches.

Entries are processed as rows of text, without instances, which would take most of the time.
Batches are read by sequence, so that no statement or snapshot lasts long.
"""

import hmac
import json
from collections.abc import Iterator
from functools import lru_cache
from hashlib import sha256
from json.encoder import encode_basestring_ascii as quoted
from typing import Any, NamedTuple

from django.db import connection

from webportal.audit.epochs import Epochs
from webportal.audit.erasure import ERASED_BY
from webportal.audit.macs import as_stored_number
from webportal.audit.models import Action

BATCH = 10_000
_READ = """
SELECT sequence, previous_mac, mac, (extract(epoch FROM at) * 1000000)::bigint,
    coalesce(actor_id::text, ''), actor, action, object_type, object_id,
    coalesce(study_id::text, ''), detail::text, origin::text
FROM audit_auditentry WHERE sequence > %s AND sequence <= %s ORDER BY sequence LIMIT %s
"""
_parse = json.JSONDecoder(parse_float=as_stored_number).decode
_BLANK = f'{{"{ERASED_BY}":'
_canonical = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode


class ChainLink(NamedTuple):
    """What verification needs of an entry; `computed` is the MAC of its content.

    `computed` is None if the key of the entry is missing. `erased_by` is the erasure that a blank
    entry names. For an erasure, `blanked` has the entries that it blanked, each with the beginning
    of the MAC that it has without its details.
    """

    sequence: int
    previous_mac: str
    mac: str
    computed: str | None
    microseconds: int
    erased_by: int | None = None
    blanked: dict[int, str] | None = None


def batches(until: int, epochs: Epochs) -> Iterator[list[ChainLink]]:
    """The entries up to a sequence, in order; all entries of a batch have the same key."""
    for epoch in epochs.all:
        keyed = hmac.new(epoch.key.secret, digestmod=sha256) if epoch.key is not None else None
        last, end = epoch.first - 1, min(until, epoch.last)
        while rows := _rows(last, end):
            last = rows[-1][0]
            yield [
                ChainLink(
                    row[0],
                    row[1],
                    row[2],
                    _mac(keyed, row) if keyed is not None else None,
                    row[3],
                    *_erasure(row),
                )
                for row in rows
            ]


def _rows(after: int, until: int) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(_READ, [after, until, BATCH])
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows


def _mac(keyed: hmac.HMAC, row: tuple[Any, ...]) -> str:
    """The same as `macs.compute_mac`, over the same canonical JSON; a test compares the two."""
    sequence, previous, _, at, actor_id, actor, action, kind, object_id, study_id, *stored = row
    detail, origin = stored
    content = (
        f'[{quoted(previous)},{sequence},{at},"{actor_id}",{quoted(actor)},{quoted(action)},'
        f'{quoted(kind)},{quoted(object_id)},"{study_id}",{_as_canonical(detail)}'
        f"{'' if origin is None else ',' + _canonical_origin(origin)}]"
    )
    mac = keyed.copy()
    mac.update(content.encode())
    return mac.hexdigest()


def _erasure(row: tuple[Any, ...]) -> tuple[int | None, dict[int, str] | None]:
    """The erasure that a blank entry names; and, for an erasure, the entries that it lists."""
    action, detail = row[6], row[10]
    if detail.startswith(_BLANK):
        number = _parse(detail)[ERASED_BY]
        return (number if isinstance(number, int) else None), None
    if action != Action.RECORDS_ERASED:
        return None, None
    try:
        return None, dict(_parse(detail)["blanked"])
    except (LookupError, TypeError, ValueError):
        return None, {}


def _as_canonical(stored: str) -> str:
    return "{}" if stored == "{}" else _canonical(_parse(stored))


@lru_cache(maxsize=1000)
def _canonical_origin(stored: str) -> str:
    """The same for an origin; all entries of a session share theirs."""
    return _as_canonical(stored)
