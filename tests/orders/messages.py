"""Messages of a RIS, and what they are answered."""

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.factories import make_patient, make_study
from webportal.accounts.models import Role, User
from webportal.orders.models import OrderSource
from webportal.orders.receiving import receive
from webportal.orders.sources import create_source
from webportal.records.models import Study

_numbers = itertools.count(1)
BEGIN = datetime(2026, 9, 29, 8, tzinfo=UTC)


def make_source(name: str = "RIS", **fields: Any) -> OrderSource:
    """A RIS that sends from this machine."""
    by = fields.pop("by", None) or User.objects.filter(username="orders-it").first()
    by = by or User.objects.create_user("orders-it", None, [Role.IT])
    return create_source(name, fields.pop("addresses", ["127.0.0.1"]), by, **fields)


def ordered_study(**fields: Any) -> Study:
    """The study that `order` is of."""
    patient = fields.pop("patient", None) or make_patient(patient_id="P-1", issuer="")
    return make_study(patient=patient, **{"accession_number": "ACC-1"} | fields)


def order(
    control: str = "NW",
    *,
    minute: int = 0,
    message_id: str | None = None,
    kind: str = "ORM^O01",
    pid: str = "PID|1||P-1^^^HOSP^MR||DOE^JANE||19700102|F",
    orc: str = "PL-1|FI-1",
    obr: dict[int, str] | None = None,
    more: tuple[str, ...] = (),
    header: dict[int, str] | None = None,
) -> bytes:
    """An order of accession number ACC-1, written so many minutes after eight o'clock."""
    at = (BEGIN + timedelta(minutes=minute)).strftime("%Y%m%d%H%M%S")
    number = message_id or f"M{next(_numbers)}"
    msh = {3: "RIS", 4: "HOSP", 7: at, 9: kind, 10: number, 11: "P", 12: "2.5.1"}
    requested = {1: "1", 4: "CXR^Chest PA^L", 18: "ACC-1", 31: "^Cough and fever"} | (obr or {})
    segments = [
        _segment("MSH|^~\\&", msh | (header or {}), 2),
        pid,
        f"ORC|{control}|{orc}",
        _segment("OBR", requested, 0),
        *more,
    ]
    return "".join(f"{each}\r" for each in segments).encode()


def _segment(begin: str, fields: dict[int, str], given: int) -> str:
    values = [fields.get(number, "") for number in range(given + 1, max(fields) + 1)]
    return "|".join([begin, *values])


def answered(source: OrderSource, message: bytes) -> tuple[str, str]:
    """What a message is answered: the code, and the words with it."""
    return parsed(receive(source, message))


def parsed(answer: bytes) -> tuple[str, str]:
    """The code of an acknowledgement, and its words."""
    fields = answer.decode("latin-1").split("\r")[1].split("|")
    assert fields[0] == "MSA"
    return fields[1], "|".join(fields[3:])
