"""What messages may look like, and what is refused with which reason."""

import pytest

from tests.orders.messages import answered, make_source, order, ordered_study
from webportal.accounts.models import User
from webportal.orders.models import AccessionIn, Order, OrderMessage, OrderSource
from webportal.orders.receiving import receive

pytestmark = pytest.mark.django_db


@pytest.fixture
def source() -> OrderSource:
    return make_source()


OMI = "OMI^O23^OMI_O23"


@pytest.mark.parametrize(
    ("message", "code", "words"),
    [
        (b"", "AE", "Line 1 is not an HL7 segment"),
        (b"GET / HTTP/1.1\r\n\r\n", "AE", "Line 1 is not an HL7 segment"),
        (b"MSH||||||\r", "AE", "Line 1 is not an HL7 segment"),
        (order(more=("what is this",)), "AE", "Line 5 is not an HL7 segment"),
        (order(header={10: ""}), "AE", "MSH-10 is empty"),
        (order(header={10: "1" * 200}), "AE", "MSH-10 is empty"),
        (order(kind="ADT^A01"), "AR", "MSH-9 is not"),
        (order(header={11: "T"}), "AR", "MSH-11 is not P"),
        (order(header={12: "3.0"}), "AR", "MSH-12"),
        (order(header={7: ""}), "AE", "MSH-7 is empty"),
        (order(header={7: "20261399"}), "AE", "MSH-7 cannot be used"),
        (order(header={7: "29991231"}), "AE", "MSH-7 cannot be used"),
        (order(header={18: "KLINGON"}), "AR", "MSH-18"),
        (order(header={18: "ASCII~8859/1"}), "AR", "MSH-18"),
        (order(pid="PV1|1"), "AE", "The segment PID is missing"),
        (order(more=("PID|1||P-2",)), "AE", "more than one segment PID"),
        (order(pid="PID|1||^^^HOSP"), "AE", "PID-3 is empty"),
        (order(pid="PID|1||P\t1"), "AE", "PID-3 cannot be used"),
        (order(pid="PID|1||P\\E\\1"), "AE", "PID-3 cannot be used"),
        (order(pid="PID|1||" + "1" * 65), "AE", "PID-3 cannot be used"),
        (order(pid="PID|1||P-1||DOE||1970"), "AE", "PID-7 cannot be used"),
        (order(obr={18: ""}), "AE", "IPC-1, OBR-18 is empty"),
        (order(obr={18: '""'}), "AE", "IPC-1, OBR-18 is empty"),
        (order("ZZ"), "AR", "ORC-1"),
        (order(pid="PID|1||P-1\rOBR|1"), "AE", "precedes the first ORC"),
        (order(more=("OBR|2|||||||||||||||||ACC-2",)), "AE", "several accession numbers"),
        (order(obr={31: "^null \0"}), "AE", "MSH-18"),
        (order(kind="ORM^O01\0"), "AE", "MSH-18"),
        (order(message_id="M\0"), "AE", "MSH-18"),
    ],
)
def test_what_cannot_be_followed_is_refused_with_the_reason(
    source: OrderSource, message: bytes, code: str, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    found, said = answered(source, message)
    assert found == code
    assert words in said
    assert not Order.objects.exists()
    noted = OrderMessage.objects.get()
    assert (noted.answer, noted.reason.english) == (code, noted.reason.english)
    for secret in ("DOE", "P-1", "Cough"):
        assert secret not in caplog.text + said


def test_an_acknowledgement_goes_to_its_sender_and_names_the_message(source: OrderSource) -> None:
    header, msa = receive(source, order(message_id="M/1")).decode().split("\r")[:2]
    fields = header.split("|")
    assert fields[2] == "CHESTLINE"
    assert fields[4:6] == ["RIS", "HOSP"]
    assert (fields[8], fields[11]) == ("ACK^O01^ACK", "2.5.1")
    assert msa == "MSA|AA|M/1"


def test_enhanced_mode_is_answered_in_its_codes(source: OrderSource) -> None:
    assert answered(source, order(header={15: "AL", 16: "NE"}))[0] == "CA"
    assert answered(source, order("ZZ", header={15: "AL", 16: "NE"}))[0] == "CR"


def test_errors_are_coded_as_the_version_has_it(source: OrderSource) -> None:
    new = receive(source, order(obr={18: ""})).decode()
    assert "\rERR|||101^field_missing^HL70357|E||||IPC-1, OBR-18 is empty." in new
    old = receive(source, order(obr={18: ""}, header={12: "2.3.1"})).decode()
    assert "\rERR|^^^101\r" in old


@pytest.mark.parametrize(
    ("character_set", "encoding"),
    [
        ("UNICODE UTF-8", "utf-8"),
        ("8859/1", "latin-1"),
        ("8859/15", "iso8859-15"),
        ("GB 18030-2000", "gb18030"),
    ],
)
def test_texts_are_read_in_the_character_set_of_the_message(
    source: OrderSource, character_set: str, encoding: str
) -> None:
    message = order(pid="PID|1||P-1||MÜLLER^ZOÉ", obr={31: "^Dyspnée"}, header={18: character_set})
    assert answered(source, message.decode().encode(encoding))[0] == "AA"
    found = Order.objects.get()
    assert (found.patient_name, found.indication) == ("MÜLLER^ZOÉ", "Dyspnée")


def test_a_character_set_is_never_guessed(source: OrderSource) -> None:
    message = order(obr={31: "^Dyspnée"})
    code, words = answered(source, message)
    assert (code, "MSH-18" in words) == ("AE", True)
    source.character_set = "8859/1"
    assert answered(source, message.decode().encode("latin-1"))[0] == "AA"
    assert Order.objects.get().indication == "Dyspnée"


def test_chinese_text_may_have_delimiters_as_second_bytes(source: OrderSource) -> None:
    # In Big5 the second byte of these is a backslash, and of others a vertical bar.
    message = order(obr={31: "^功能 許"}, header={18: "BIG-5"})
    assert b"\\" in "功許".encode("big5")
    assert answered(source, message.decode().encode("big5"))[0] == "AA"
    assert Order.objects.get().indication == "功能 許"


def test_identifiers_stay_exactly_as_they_came(source: OrderSource) -> None:
    pid = "PID|1|| 00P\\T\\1 ^^^HOSP&1.2.3&ISO^MR~7^^^^SS||DOE"
    answered(source, order(pid=pid, obr={18: " 007 "}))
    found = Order.objects.get()
    assert found.accession_number == " 007 "
    assert found.patient_ids == [
        {"id": " 00P&1 ", "issuer": "HOSP", "type": "MR"},
        {"id": "7", "issuer": "", "type": "SS"},
    ]


def test_escapes_are_resolved_and_forgotten_ones_do_no_harm(source: OrderSource) -> None:
    reason = "^A \\T\\ B & C \\F\\ D\\.br\\E \\X41\\"
    answered(source, order(obr={31: reason}))
    assert Order.objects.get().indication == "A & B & C | D\nE \\X41\\"


def test_times_have_the_zone_of_the_message_or_of_the_hospital(
    source: OrderSource, settings: object
) -> None:
    answered(source, order("XO", header={7: "20260929080000+0000"}, obr={31: "^Later"}))
    # An hour before, in Kathmandu's time.
    answered(source, order("XO", header={7: "20260929124500+0545"}, obr={31: "^Earlier"}))
    assert Order.objects.get().indication == "Later"
    answered(source, order("XO", header={7: "20260929030001.5-0500"}, obr={31: "^Latest"}))
    assert Order.objects.get().indication == "Latest"


@pytest.mark.parametrize(
    ("place", "orc", "obr", "more"),
    [
        (AccessionIn.IHE, "P|F", {18: ""}, ("IPC|A-1^RIS|RP1|1.2.3",)),
        (AccessionIn.IHE, "P|F", {18: "A-1"}, ()),
        (AccessionIn.FILLER, "P|A-1^RIS", {18: "other"}, ()),
        (AccessionIn.FILLER, "P|", {3: "A-1"}, ()),
        (AccessionIn.PLACER, "A-1^HIS|F", {}, ()),
    ],
)
def test_the_accession_number_is_where_the_system_writes_it(
    place: str, orc: str, obr: dict[int, str], more: tuple[str, ...]
) -> None:
    source = make_source(accession_in=place)
    assert answered(source, order(kind=OMI, orc=orc, obr=obr, more=more))[0] == "AA"
    assert Order.objects.get().accession_number == "A-1"


def test_a_message_may_hold_several_orders_and_lines_may_end_otherwise(
    source: OrderSource, make_user: object
) -> None:
    more = ("ORC|NW|PL-2|FI-2", "OBR|2|||CXR^Lateral||||||||||||||ACC-2")
    assert answered(source, order(more=more).replace(b"\r", b"\r\n"))[0] == "AA"
    found = Order.objects.order_by("accession_number")
    assert [each.accession_number for each in found] == ["ACC-1", "ACC-2"]


def test_nothing_of_a_message_counts_if_one_of_its_orders_cannot(source: OrderSource) -> None:
    ordered_study()
    more = ("ORC|NW|PL-2|FI-2", "OBR|2|||CXR^Lateral")
    assert answered(source, order(more=more))[0] == "AE"
    assert not Order.objects.exists()
    assert not User.objects.filter(username="DOE").exists()
