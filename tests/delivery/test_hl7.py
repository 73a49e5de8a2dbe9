"""HL7 over MLLP to a receiver that delays, drops and mangles its acknowledgements."""

import socket
import threading
from collections.abc import Callable, Iterator
from datetime import date, datetime
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st
from pytest_django.fixtures import Settings

from tests.conftest import PASSWORD
from tests.delivery.conftest import send_all
from tests.factories import make_patient, make_prediction, make_radiograph, make_study
from tests.helpers import let_time_pass, wait_until
from tests.reading import add_addendum, read
from webportal.accounts.models import User
from webportal.delivery import attempts
from webportal.delivery.documents import hl7
from webportal.delivery.documents.sources import source_of
from webportal.delivery.models import Content, DeliveryState, Destination, Protocol
from webportal.orders.models import Order, OrderedStudy, OrderSource
from webportal.review.models import Read
from webportal.review.reads.measurements import Measurement

Make = Callable[..., Destination]
KATHMANDU = ZoneInfo("Asia/Kathmandu")


class Receiver:
    """Takes one message a connection, and answers as its `answers` say in turn.

    An answer is the code of a proper acknowledgement, or one of: drop (none), late (one of another
    message first), bare (without a frame), open (without a frame or an end, connection kept).
    """

    def __init__(self, *answers: str) -> None:
        self.answers = list(answers)
        self.messages: list[str] = []
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.server.getsockname()[1]
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        while True:
            try:
                connection, _address = self.server.accept()
            except OSError:
                return
            with connection:
                data = b""
                while not data.endswith(b"\x1c\r"):
                    part = connection.recv(4096)
                    if not part:
                        break
                    data += part
                if data:
                    self._answer(connection, data)

    def _answer(self, connection: socket.socket, data: bytes) -> None:
        message = data[1:-2].decode()
        self.messages.append(message)
        control_id = message.split("|")[9]
        answer = self.answers.pop(0) if self.answers else "AA"

        def acknowledgement(code: str, of: str = control_id) -> bytes:
            return f"MSH|^~\\&|RIS|||||ACK|1|P|2.5.1\rMSA|{code}|{of}|said\r".encode()

        if answer == "drop":
            return
        if answer == "late":
            connection.sendall(b"\x0b" + acknowledgement("AR", "OTHER") + b"\x1c\r")
            connection.sendall(b"\x0b" + acknowledgement("AA") + b"\x1c\r")
        elif answer == "bare":
            connection.sendall(acknowledgement("AA"))
        elif answer == "open":
            connection.sendall(acknowledgement("AA").rstrip(b"\r"))
            connection.recv(1)
        else:
            connection.sendall(b"\x0b" + acknowledgement(answer) + b"\x1c\r")


@pytest.fixture
def make_receiver() -> Iterator[Callable[..., Receiver]]:
    """Start receivers that end with the test."""
    made: list[Receiver] = []

    def make(*answers: str) -> Receiver:
        made.append(Receiver(*answers))
        return made[-1]

    yield make
    for each in made:
        each.server.close()


@pytest.fixture
def make_ris(make_destination: Make) -> Make:
    def make(port: int) -> Destination:
        return make_destination(port, protocol=Protocol.HL7, sends=[Content.READS], ae_title="")

    return make


@pytest.mark.django_db
def test_a_read_is_a_message_and_its_addendum_a_correction(
    make_ris: Make, make_receiver: Callable[..., Receiver], radiologist: User
) -> None:
    receiver = make_receiver()
    destination = make_ris(receiver.port)
    patient = make_patient(
        patient_id="P|1", issuer="TEST", name="Shrestha^Asha^K", birth_date=date(1990, 5, 1)
    )
    study = make_study(patient=patient, accession_number="A&77")
    image = make_radiograph(study)
    signed = read(
        make_prediction(image),
        radiologist,
        "definite",
        zones=("right_lower",),
        measurements=(Measurement(image.pk, "length", ((10.0, 10.0), (40.0, 30.0))),),
        other_findings=("effusion",),
        comment="Dense | opacity ^ at the base.\nनिमोनिया \\ left",
    )
    let_time_pass()
    (row,) = send_all(destination)
    assert (row.state, row.answer) == (DeliveryState.DELIVERED, "AA")
    segments = [line.split("|") for line in receiver.messages[0].rstrip("\r").split("\r")]
    assert [line[0] for line in segments] == ["MSH", "PID", "OBR", *["OBX"] * 5, "ZDS"]
    header, person, order, *observations, _zds = segments
    assert header[8] == "ORU^R01^ORU_R01"
    assert person[3] == "P\\F\\1^^^TEST^PI"
    assert person[5] == "Shrestha^Asha^K"
    assert (order[3], order[25]) == ("A\\T\\77", "F")
    assert observations[0][3:6] == [
        "233604007^Pneumonia^SCT",
        "1",
        "52101004^Present^SCT",
    ]
    assert observations[1][2:6] == [
        "ST",
        "363698007^Finding site^SCT",
        "2",
        "Lower zone of lung, right",
    ]
    assert observations[3][5].startswith("Length on image 1: ")
    text = observations[4][5]
    assert text == "Dense \\F\\ opacity \\S\\ at the base.\\.br\\निमोनिया \\E\\ left"

    add_addendum(Read.objects.get(pk=signed.pk), radiologist, "Why", "More.", PASSWORD)
    rows = send_all(destination)
    assert [each.state for each in rows] == [DeliveryState.DELIVERED] * 2
    assert receiver.messages[1].split("\r")[2].split("|")[25] == "C"
    assert hl7.control_id_of(receiver.messages[1].encode()) != header[9]


@pytest.mark.django_db
@pytest.mark.parametrize("answer", ["late", "bare", "open", "AA", "CA"])
def test_an_acknowledgement_counts_in_whatever_form_if_it_names_the_message(
    make_ris: Make,
    make_receiver: Callable[..., Receiver],
    radiologist: User,
    answer: str,
    settings: object,
) -> None:
    settings.DELIVERY_ANSWER_SECONDS = 1  # type: ignore[attr-defined]
    receiver = make_receiver(answer)
    destination = make_ris(receiver.port)
    read(make_prediction(), radiologist, "definite")
    let_time_pass()
    (row,) = send_all(destination)
    assert row.state == DeliveryState.DELIVERED
    send_all(destination)
    assert len(receiver.messages) == 1


@pytest.mark.django_db
def test_a_message_whose_acknowledgement_was_lost_is_repeated_unchanged(
    make_ris: Make, make_receiver: Callable[..., Receiver], radiologist: User
) -> None:
    receiver = make_receiver("drop", "drop")
    destination = make_ris(receiver.port)
    read(make_prediction(), radiologist, "definite")
    let_time_pass()
    wait_until(lambda: send_all(destination)[0].state == DeliveryState.DELIVERED, "it is delivered")
    assert len(receiver.messages) == 3
    assert len(set(receiver.messages)) == 1


@pytest.mark.django_db
@pytest.mark.parametrize("answer", ["AE", "CR"])
def test_a_rejection_stands_after_many_repetitions_and_its_text_is_not_kept(
    make_ris: Make, make_receiver: Callable[..., Receiver], radiologist: User, answer: str
) -> None:
    receiver = make_receiver(*[answer] * 50)
    destination = make_ris(receiver.port)
    read(make_prediction(), radiologist, "definite")
    let_time_pass()
    (row,) = send_all(destination)
    assert row.state == DeliveryState.WAITING
    wait_until(lambda: send_all(destination)[0].state == DeliveryState.REJECTED, "it is rejected")
    (row,) = send_all(destination)
    assert (row.reason_code, row.answer) == ("rejected_by_destination", answer)
    assert row.reason_params == {"answer": answer}
    assert len(receiver.messages) == attempts.MOST_REFUSALS


@pytest.mark.django_db
def test_an_engine_that_is_down_for_a_while_rejects_nothing_for_good(
    make_ris: Make, make_receiver: Callable[..., Receiver], radiologist: User
) -> None:
    receiver = make_receiver("AE", "AR", "AE")
    destination = make_ris(receiver.port)
    read(make_prediction(), radiologist, "definite")
    let_time_pass()
    wait_until(lambda: send_all(destination)[0].state == DeliveryState.DELIVERED, "it is delivered")
    assert len(receiver.messages) == 4


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("at", "field"),
    [
        (None, ""),
        (datetime(2024, 2, 29, tzinfo=KATHMANDU), "20240229"),
        (datetime(2024, 2, 29, 1, 30, tzinfo=KATHMANDU), "20240229013000+0545"),
    ],
)
def test_the_time_of_the_study_is_local_and_no_more_exact_than_known(
    at: datetime | None, field: str, settings: Settings
) -> None:
    settings.TIME_ZONE = "Asia/Kathmandu"
    study = make_study(performed_at=at)
    reader = User(username="reader", full_name="Reader")
    signed = Read(study=study, reader=reader, pneumonia="definite", signed_at=timezone.now())
    message = hl7.read_message(study, signed, [], "1", timezone.now()).decode()
    assert message.split("\r")[2].split("|")[7] == field
    source = source_of(make_radiograph(study))
    assert source.StudyDate == field[:8]
    assert source.StudyTime == field[8:14]


@pytest.mark.django_db
def test_obr_2_is_the_number_of_the_system_that_ordered_the_study(
    it_person: User, make_user: Callable[..., User]
) -> None:
    study = make_study(accession_number="A-1")
    reader = User(username="reader", full_name="Reader")
    signed = Read(study=study, reader=reader, pneumonia="definite", signed_at=timezone.now())

    def numbers() -> list[str]:
        message = hl7.read_message(study, signed, [], "1", timezone.now()).decode()
        return message.split("\r")[2].split("|")[2:4]

    assert numbers() == ["", "A-1"]
    source = OrderSource.objects.create(
        name="RIS", addresses=["127.0.0.1"], account=make_user(), created_by=it_person
    )
    for number in ("P|7^RIS", "", "P|8^RIS"):
        order = Order.objects.create(
            source=source,
            accession_number="A-1",
            placer_number=number,
            changed_at=timezone.now(),
        )
        OrderedStudy.objects.create(order=order, study=study)
        # Two numbers would leave a system to guess which order is meant.
        assert numbers() == ["" if "8" in number else r"P\F\7^RIS", "A-1"]


@given(st.text())
def test_no_text_breaks_out_of_its_field(text: str) -> None:
    escaped = hl7.escape(text)
    assert not set("|^~&\r\n\x0b\x1c") & set(escaped)
