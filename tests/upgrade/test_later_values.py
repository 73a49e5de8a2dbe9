"""Pages and programs work on while rows have values that only a later release knows."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.apps import apps
from django.conf import LazySettings
from django.contrib.postgres.fields import ArrayField
from django.db import connection
from django.test import Client
from django.utils import timezone

from tests.factories import make_patient, make_prediction, make_radiograph, make_study
from tests.notifications.one_of_each import make_emergency, make_notification
from tests.orders.messages import answered, make_source, order
from tests.roles import TABLE, filled
from webportal.access.models import AccessEntry
from webportal.accounts.models import Role, RoleRequest, User
from webportal.audit.trail import Event, append
from webportal.notifications.mail import deliver
from webportal.notifications.models import MailChoice, Notification, NotificationKind
from webportal.orders.models import Order
from webportal.records.choices import Category, ReadingState
from webportal.records.models import EmergencyAccess, FileFault
from webportal.review.models import Decision, Pneumonia, Read, ReadState, SecondReading

LATER = "of_later"

#: Columns whose values are only shown: a release that has not met one shows it as it is stored.
ONLY_SHOWN = {
    "access.AccessEntry.kind",
    "access.AccessEntry.outcome",
    "accounts.RoleRequest.roles",
    "accounts.User.roles",
    "audit.AuditEntry.action",
    "notifications.MailChoice.kinds",
    "notifications.Notification.kind",
    "orders.Order.sex",
    "records.EmergencyAccess.outcome",
    "records.FileFault.kind",
    "records.Patient.sex",
    "records.Study.symptoms",
    "review.Read.other_findings",
    "review.Read.zones",
    "review.SecondReading.reason",
}

#: Columns that programs act upon: before a release stores another value there, earlier programs
#: have to stop (docs/migrations.md), or this release has to know it already.
ACTED_UPON = {
    "accounts.ApiToken.scope",
    "accounts.RoleRequest.outcome",
    "backups.Backup.state",
    "delivery.Delivery.state",
    "delivery.Destination.protocol",
    "delivery.Destination.results_when",
    "delivery.Destination.sends",
    "delivery.Document.kind",
    "erasure.Erasure.state",
    "inference.Job.priority",
    "inference.Job.state",
    "inference.Prediction.category",
    "inference.Prediction.purpose",
    "inference.QueuePause.priority",
    "inference.QueuePeriod.length",
    "intake.UploadBatch.identity_mode",
    "intake.UploadBatch.priority",
    "intake.UploadItem.verdict",
    "network.Commitment.state",
    "network.PriorRequest.state",
    "network.PriorSource.protocol",
    "network.PriorStudy.state",
    "network.ReceivedInstance.state",
    "network.StorageRequest.state",
    "notifications.Notification.category",
    "notifications.Notification.mail_state",
    "orders.Order.priority",
    "orders.Order.status",
    "orders.OrderQuestion.state",
    "orders.OrderSource.accession_in",
    "orders.OrderSource.character_set",
    "orders.OrderSource.kind",
    "oversight.Shadow.end",
    "oversight.ShadowResult.category",
    "oversight.ShadowResult.state",
    "records.Study.category",
    "records.Study.concern",
    "records.Study.priority",
    "records.Study.purpose",
    "records.Study.reading_state",
    "research.ResearchExport.category",
    "research.ResearchExport.removal",
    "research.ResearchExport.state",
    "review.Read.decision",
    "review.Read.kind",
    "review.Read.pneumonia",
    "review.Read.state",
    "review.SecondReading.due",
    "upkeep.RemovalPause.reason",
}


#: The pages and endpoints that show something of these columns.
SHOWING = (
    "worklist",
    "studies/<uuid:study_id>",
    "studies/<uuid:study_id>/status",
    "studies/<uuid:study_id>/report",
    "studies/<uuid:study_id>/report.pdf",
    "studies/<uuid:study_id>/case-record",
    "studies/<uuid:study_id>/order",
    "studies/<uuid:study_id>/patient",
    "patients",
    "patients/<uuid:patient_id>",
    "patients/<uuid:patient_id>/edit",
    "reports",
    "agreement",
    "users",
    "users/<uuid:user_id>",
    "notifications/",
    "notifications/badge",
    "notifications/preferences",
    "operations",
    "audit/",
    "access-log",
    "emergency-accesses",
    "emergency-accesses/<uuid:access_id>",
    "api/v1/studies",
    "api/v1/reads",
    "api/v1/reads/<uuid:pk>",
    "api/v1/patients",
    "api/v1/users",
    "api/v1/audit-entries",
    "api/v1/access-entries",
    "api/v1/notifications",
    "dicom-web/studies",
)


def columns_of_choices() -> Iterator[str]:
    for model in apps.get_models():
        if not model.__module__.startswith("webportal."):
            continue
        for field in model._meta.local_concrete_fields:
            each = field.base_field if isinstance(field, ArrayField) else field
            if each.choices:
                yield f"{model._meta.label}.{field.name}"


def test_every_column_of_choices_is_shown_or_acted_upon() -> None:
    assert set(columns_of_choices()) == ONLY_SHOWN | ACTED_UPON
    assert not ONLY_SHOWN & ACTED_UPON


@pytest.fixture
def _no_constraints(db: None) -> None:
    """Those of the later release let its values in."""
    tables = {apps.get_model(each.rpartition(".")[0])._meta.db_table for each in ONLY_SHOWN}
    query = "SELECT conrelid::regclass::text, conname FROM pg_constraint WHERE contype = 'c'"
    with connection.cursor() as cursor:
        cursor.execute(query)
        for table, name in cursor.fetchall():
            if table in tables:
                cursor.execute(f'ALTER TABLE "{table}" DROP CONSTRAINT "{name}"')


@pytest.fixture
def people(_no_constraints: None, make_user: Callable[..., User]) -> dict[Role, User]:
    """Somebody of each role, who has one of the later release too."""
    people = {role: make_user(role) for role in Role}
    for person in people.values():
        person.roles = [*person.roles, LATER]
        person.save()
    return people


@pytest.fixture
def ids(people: dict[Role, User]) -> dict[str, Any]:
    """A later value in each column of ONLY_SHOWN; the ids of what has them, by their name."""
    reader = people[Role.RADIOLOGIST]
    patient = make_patient(sex="T", patient_id="P-1", issuer="")
    study = make_study(
        patient=patient,
        accession_number="ACC-1",
        symptoms=["cough", LATER],
        referrer=people[Role.REFERRER],
        reading_state=ReadingState.SIGNED,
    )
    answered(make_source(), order())
    Order.objects.update(sex="T")
    prediction = make_prediction(make_radiograph(study), Category.LIKELY)
    place = {"radiograph": str(prediction.radiograph_id), "column": 1, "row": 1}
    read = Read.objects.create(
        study=study,
        reader=reader,
        state=ReadState.SIGNED,
        decision=Decision.CONFIRM,
        prediction=prediction,
        pneumonia=Pneumonia.DEFINITE,
        zones=["right_upper", LATER],
        other_findings=["effusion", LATER],
        marks=[place | {"finding": LATER, "width": 0, "height": 0}],
        signed_at=timezone.now() - timedelta(days=1),
    )
    SecondReading.objects.create(study=study, reason=LATER, due="")
    FileFault.objects.create(kind=LATER, key="a.dcm", radiograph=prediction.radiograph)
    access = make_emergency()
    EmergencyAccess.objects.update(outcome=LATER, reviewed_at=timezone.now(), reviewed_by=reader)
    seen = {"study_ids": [study.pk], "patient_ids": [patient.pk], "file_ids": [], "roles": [LATER]}
    AccessEntry.objects.create(kind=LATER, outcome=LATER, user="radiologist", **seen)
    action = SimpleNamespace(value=LATER)
    append(Event(action, "study", study.pk, study_id=study.pk), reader)  # type: ignore[arg-type]
    MailChoice.objects.create(user=reader, kinds=[LATER])
    RoleRequest.objects.create(
        user=reader,
        roles=[LATER],
        requested_by=people[Role.IT],
        requested_at=timezone.now(),
    )
    for person in people.values():
        Notification.objects.create(recipient=person, kind=LATER)
    return {
        "study_id": study.pk,
        "patient_id": patient.pk,
        "prediction_id": prediction.pk,
        "radiograph_id": prediction.radiograph_id,
        "read_id": read.pk,
        "access_id": access.pk,
        "user_id": reader.pk,
        "pk": read.pk,
    }


def test_no_page_and_no_endpoint_fails_at_a_later_value(
    people: dict[Role, User], ids: dict[str, Any]
) -> None:
    clients = {role: Client(raise_request_exception=False) for role in people}
    for role, client in clients.items():
        client.force_login(people[role])
    failed, found = [], set()
    for address in SHOWING:
        path = filled(address, ids)
        assert path is not None
        roles = [role for role in TABLE[address]["GET"] if role is not None]
        # Readers are shown the most.
        role = Role.RADIOLOGIST if Role.RADIOLOGIST in roles else roles[0]
        response: Any = clients[role].get(path, {"state": "all"} if address == "worklist" else {})
        if response.status_code >= 500:
            failed.append(f"{role} {path}: {response.exc_info[1]!r}")
        elif LATER.encode() in response.content:
            found.add(address)
    assert failed == []
    # The others have it in another form, or leave it out.
    assert found >= {
        "worklist",
        "studies/<uuid:study_id>",
        "studies/<uuid:study_id>/report",
        "users",
        "audit/",
        "access-log",
    }


def test_a_notification_of_a_later_kind_waits_and_does_not_delay_the_others(
    people: dict[Role, User], settings: LazySettings
) -> None:
    settings.MAIL_ENABLED, settings.PORTAL_URL = True, "https://chestline.example"
    person = people[Role.RADIOLOGIST]
    due = {"mail_state": "due", "mail_due_at": timezone.now()}
    later = Notification.objects.create(recipient=person, kind=LATER, **due)
    known = make_notification(NotificationKind.FACTOR_ADDED, person)
    Notification.objects.filter(pk=known.pk).update(**due)
    assert deliver() == 1
    client = Client()
    client.force_login(person)
    assert client.get(f"/notifications/{later.pk}").status_code == 404
    client.post("/notifications/read")
    later.refresh_from_db()
    assert (later.mail_state, later.read_at) == ("due", None)
