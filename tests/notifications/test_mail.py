"""Optional e-mail, through a mail server run by the test."""

import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import default

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from django.conf import LazySettings
from django.db import connection
from django.utils import timezone

from tests.factories import make_patient, make_prediction, make_radiograph, make_study
from tests.helpers import audit_actions, free_port
from webportal.accounts.models import Role, User
from webportal.inference.models import Prediction
from webportal.notifications import mail, run
from webportal.notifications.mail import MOST_ATTEMPTS, deliver
from webportal.notifications.models import MailState, Notification, NotificationKind
from webportal.notifications.services import choose, mark_read
from webportal.records.choices import Category, Priority, ReadingState
from webportal.records.models import Study

pytestmark = pytest.mark.django_db(transaction=True)


class Mailbox:
    """A handler that keeps what it is given, or refuses it while `answer` is set."""

    def __init__(self) -> None:
        self.messages: list[EmailMessage] = []
        self.recipients: list[list[str]] = []
        self.answer = ""

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        """Take one message."""
        if self.answer:
            return self.answer
        parser: BytesParser[EmailMessage] = BytesParser(policy=default)
        self.messages.append(parser.parsebytes(envelope.original_content or b""))
        self.recipients.append(envelope.rcpt_tos)
        return "250 OK"


@pytest.fixture
def mailbox(settings: LazySettings) -> Iterator[Mailbox]:
    """A running mail server, to which the portal sends."""
    handler = Mailbox()
    controller = Controller(handler, hostname="127.0.0.1", port=free_port())
    controller.start()
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST = "127.0.0.1"
    settings.EMAIL_PORT = controller.port
    settings.EMAIL_TIMEOUT = 10
    settings.MAIL_ENABLED = True
    settings.PORTAL_URL = "https://chestline.example"
    yield handler
    controller.stop()


@pytest.fixture
def study() -> Study:
    """A stat study that has waited for too long, of somebody with a name."""
    study = make_study(
        priority=Priority.STAT,
        accession_number="ACC-77",
        patient=make_patient(name="Doe^Jane", patient_id="PAT-77"),
    )
    then = timezone.now() - timedelta(hours=1)
    make_prediction(make_radiograph(study), Category.LIKELY)
    Study.objects.filter(pk=study.pk).update(created_at=then)
    return study


@pytest.fixture
def reader(radiologist: User) -> User:
    """A radiologist who wants e-mail of stat studies."""
    choose(radiologist, "reader@hospital.example", [NotificationKind.STAT_UNREAD])
    return radiologist


def test_users_who_chose_e_mail_get_one(mailbox: Mailbox, study: Study, reader: User) -> None:
    run.create_due()
    assert deliver() == 1
    run.create_due()
    assert deliver() == 0
    (message,) = mailbox.messages
    assert mailbox.recipients == [["reader@hospital.example"]]
    told = Notification.objects.get()
    assert told.mail_state == MailState.SENT
    assert f"https://chestline.example/notifications/{told.pk}" in message.get_content()
    assert audit_actions()[-1] == "notification.mailed"


def test_each_recipient_gets_it_in_their_chosen_language(
    mailbox: Mailbox, study: Study, reader: User, make_user: Callable[..., User]
) -> None:
    colleague = make_user(Role.RADIOLOGIST, username="colleague")
    choose(colleague, "colleague@hospital.example", [NotificationKind.STAT_UNREAD])
    User.objects.filter(pk=reader.pk).update(language="ne")
    run.create_due()
    assert deliver() == 2
    by_recipient = dict(zip((to for (to,) in mailbox.recipients), mailbox.messages, strict=True))
    nepali = by_recipient["reader@hospital.example"]
    assert "तपाईंले यो इमेल माग्नुभएको थियो" in nepali.get_content()
    assert "You asked" not in nepali.get_content()
    assert nepali["Content-Language"] == "ne"
    english = by_recipient["colleague@hospital.example"]
    assert english["Subject"] == "Chestline: 1 stat study waits unread"
    assert "You asked for this e-mail" in english.get_content()
    assert english["Content-Language"] == "en-gb"


def test_many_studies_cause_one_e_mail_per_interval(
    mailbox: Mailbox, study: Study, reader: User
) -> None:
    run.create_due()
    assert deliver() == 1
    hour = timedelta(minutes=61)
    for _ in range(3):
        another = make_study(priority=Priority.STAT)
        then = timezone.now() - timedelta(minutes=31)
        make_prediction(make_radiograph(another), Category.LIKELY)
        Study.objects.filter(pk=another.pk).update(created_at=then)
        run.create_due()
        mark_read(reader)
        Notification.objects.update(read_at=timezone.now() - timedelta(minutes=5))
    run.create_due()
    assert deliver() == 0, "the interval has not passed"
    told = Notification.objects.filter(mail_state=MailState.SENT).get()
    assert told.mailed_at is not None
    Notification.objects.filter(pk=told.pk).update(mailed_at=told.mailed_at - hour)
    Notification.objects.filter(mail_state=MailState.DUE).update(mail_due_at=timezone.now())
    assert deliver() == 1
    assert mailbox.messages[-1]["Subject"] == "Chestline: 4 stat studies wait unread"
    first, second = (message["Message-ID"] for message in mailbox.messages)
    assert first != second


def test_another_e_mail_is_sent_when_more_wait_and_the_page_was_not_opened(
    mailbox: Mailbox, study: Study, reader: User
) -> None:
    run.create_due()
    deliver()
    earlier = timezone.now() - timedelta(minutes=61)
    Notification.objects.update(created_at=earlier, mailed_at=earlier)
    run.create_due()
    assert deliver() == 1, "a study has begun to wait since"
    Notification.objects.filter(read_at=None).update(created_at=earlier)
    Prediction.objects.update(created_at=earlier - timedelta(hours=1))
    run.create_due()
    assert deliver() == 0, "nothing has"
    assert Notification.objects.filter(read_at=None).count() == 1


def test_a_notification_read_on_the_page_needs_no_e_mail(
    mailbox: Mailbox, study: Study, reader: User
) -> None:
    run.create_due()
    mark_read(reader)
    assert deliver() == 0
    assert mailbox.messages == []


def test_the_e_mail_contains_no_patient_data(mailbox: Mailbox, study: Study, reader: User) -> None:
    run.create_due()
    deliver()
    (message,) = mailbox.messages
    text = message.as_string()
    for word in ("Doe", "Jane", "PAT-77", "ACC-77", str(study.pk), str(study.patient_id), "likely"):
        assert word not in text


def test_users_who_did_not_choose_e_mail_get_none(
    mailbox: Mailbox, study: Study, radiologist: User
) -> None:
    run.create_due()
    assert deliver() == 0
    assert Notification.objects.get().mail_state == MailState.NONE
    assert mailbox.messages == []


def test_no_e_mail_is_due_without_a_mail_server(
    study: Study, reader: User, settings: LazySettings
) -> None:
    settings.MAIL_ENABLED = False
    run.create_due()
    assert Notification.objects.get().mail_state == MailState.NONE


def test_delivery_is_retried_after_temporary_refusals(
    mailbox: Mailbox, study: Study, reader: User
) -> None:
    mailbox.answer = "451 Try again later"
    run.create_due()
    assert deliver() == 0
    assert deliver() == 0, "not before its time"
    told = Notification.objects.get()
    assert (told.mail_state, told.mail_attempts) == (MailState.DUE, 1)
    mailbox.answer = ""
    Notification.objects.update(mail_due_at=timezone.now())
    assert deliver() == 1
    assert len(mailbox.messages) == 1


def test_an_e_mail_that_is_never_accepted_is_given_up_and_reported(
    mailbox: Mailbox,
    study: Study,
    reader: User,
    sign_in: Callable[..., object],
    caplog: pytest.LogCaptureFixture,
) -> None:
    mailbox.answer = "550 No such person reader@hospital.example"
    run.create_due()
    for _ in range(MOST_ATTEMPTS):
        Notification.objects.update(mail_due_at=timezone.now())
        deliver()
    assert Notification.objects.get().mail_state == MailState.FAILED
    ours = [each.getMessage() for each in caplog.records if each.name.startswith("webportal")]
    assert len(ours) == MOST_ATTEMPTS
    assert "reader@hospital.example" not in "".join(ours)
    page = sign_in(reader).get("/notifications/").text  # type: ignore[attr-defined]
    assert "the e-mail could not be sent" in page


def test_a_study_read_before_the_e_mail_needs_none(
    mailbox: Mailbox, study: Study, reader: User
) -> None:
    mailbox.answer = "451 Try again later"
    run.create_due()
    deliver()
    Study.objects.update(reading_state=ReadingState.SIGNED)
    run.create_due()
    mailbox.answer = ""
    Notification.objects.filter(mail_state=MailState.DUE).update(mail_due_at=timezone.now())
    assert deliver() == 0
    assert mailbox.messages == []


def test_two_schedulers_send_it_once(mailbox: Mailbox, study: Study, reader: User) -> None:
    threads = []
    barrier = threading.Barrier(2)

    def schedule() -> None:
        barrier.wait()
        run.create_due()
        deliver()
        connection.close()

    for _ in range(2):
        threads.append(threading.Thread(target=schedule))
        threads[-1].start()
    for thread in threads:
        thread.join()
    deliver()
    assert Notification.objects.count() == 1
    assert len(mailbox.messages) == 1


def test_a_process_killed_after_sending_sends_it_again_under_the_same_id(
    mailbox: Mailbox, study: Study, reader: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    run.create_due()

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(mail, "append", die)
        with pytest.raises(KeyboardInterrupt):
            deliver()
    assert deliver() == 1
    first, second = (message["Message-ID"] for message in mailbox.messages)
    assert first == second
