"""The records on which `test_every_operation` calls the API."""

import io
from functools import cached_property
from typing import Any

from django.utils import timezone
from PIL import Image

from ml.serving.package import SHIPPED_PACKAGE, load_package
from tests.conftest import PASSWORD
from tests.factories import (
    make_job,
    make_model_version,
    make_patient,
    make_prediction,
    make_study,
)
from tests.network.rows import make_node, make_received
from tests.reading import look_at, present_identity, sign
from tests.research.test_exports import ask, study_with
from webportal.accounts.models import ApiToken, Department, Role, User
from webportal.accounts.services import create_token
from webportal.audit import runs
from webportal.demo.phantoms import draw_phantom
from webportal.erasure import services as erasures
from webportal.erasure.models import Erasure, ErasureState
from webportal.inference import registry
from webportal.inference.models import JobState, Prediction, Worker
from webportal.intake import pipeline
from webportal.intake.batches import services
from webportal.intake.cases.case_record import FORM_KEY, CaseRecord
from webportal.intake.models import UploadItem
from webportal.network.models import InboxState, Node
from webportal.notifications.models import Notification, NotificationKind
from webportal.records.models import Patient
from webportal.research import building
from webportal.review.models import SecondReading, TextTemplate
from webportal.review.reads import reservation
from webportal.review.reads.services import Entry, save_draft

# What must be there before a list is asked for.
LISTED = {
    "departments_list": "department",
    "access_entries_patients_create": "patient",
    "agreement_list": "read",
    "batches_list": "batch",
    "held_files_list": "held",
    "jobs_list": "queued",
    "model_versions_list": "model",
    "notifications_list": "notification",
    "patients_list": "patient",
    "patients_search_create": "patient",
    "predictions_list": "prediction",
    "radiographs_list": "radiograph",
    "reads_list": "read",
    "studies_list": "study",
    "studies_second_reads": "second_read",
    "studies_search_create": "study",
    "studies_worklist": "study",
    "text_templates_list": "text",
    "tokens_list": "token",
    "dicom_nodes_list": "node",
    "erasures_list": "erasure",
    "research_exports_list": "export",
    "received_instances_list": "received",
    "users_list": "person",
    "workers_list": "worker",
}


def phantom_png(seed: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(draw_phantom(seed, (160, 136), opacity=False)).save(buffer, "PNG")
    return buffer.getvalue()


class World:
    """Makes a thing when it is asked for by name, and gives what addresses it."""

    def __init__(self, uploader: User, radiologist: User) -> None:
        self.uploader, self.radiologist = uploader, radiologist

    def __getitem__(self, name: str) -> Any:
        return getattr(self, name)

    @cached_property
    def result(self) -> Prediction:
        return make_prediction()

    @property
    def prediction(self) -> Any:
        return self.result.pk

    @property
    def radiograph(self) -> Any:
        return self.result.radiograph_id

    @property
    def study(self) -> Any:
        return self.result.radiograph.study_id

    @property
    def looked_at(self) -> Any:
        look_at(self.result.radiograph.study, self.radiologist)
        return self.study

    @property
    def identity(self) -> Any:
        return present_identity(self.result.radiograph.study)

    @cached_property
    def department(self) -> Any:
        return Department.objects.create(name="Elsewhere").pk

    @property
    def patient(self) -> Any:
        return self.result.radiograph.study.patient_id

    @cached_property
    def erasable(self) -> Any:
        return make_patient().pk

    @cached_property
    def erasure(self) -> Any:
        patient = Patient.objects.get(pk=self.erasable)
        return erasures.request(patient, "Request of 3 May", "", self.uploader).pk

    @property
    def erasure_digest(self) -> Any:
        plan = erasures.plan_of(Erasure.objects.get(pk=self.erasure))
        assert plan is not None
        return plan.digest

    @property
    def erased(self) -> Any:
        now = timezone.now()
        return Erasure.objects.create(
            reason="Request of 3 May",
            state=ErasureState.DONE,
            requested_at=now,
            requested_by=self.uploader,
            decided_at=now,
            finished_at=now,
        ).pk

    @cached_property
    def researcher(self) -> User:
        known = User.objects.filter(roles=[Role.RESEARCHER]).first()
        if known is not None:
            return known
        made = User.objects.create_user("researcher", None, [Role.RESEARCHER])
        made.departments.add(Department.objects.get())
        return made

    @property
    def purpose(self) -> Any:
        assert self.study
        return "Protocol 7"

    @property
    def export(self) -> Any:
        study_with()
        return ask(self.researcher).pk

    @property
    def made_export(self) -> Any:
        made = self.export
        assert building.make_waiting() == 1
        return made

    @property
    def model(self) -> Any:
        return self.result.model_version_id

    @property
    def shipped(self) -> Any:
        make_model_version("current", is_active=True)
        return registry.register(load_package(SHIPPED_PACKAGE), None)[0].pk

    @property
    def outdated(self) -> Any:
        make_model_version("newer", is_active=True)
        return self.result.radiograph.study_id

    @property
    def queued(self) -> Any:
        return make_job().pk

    @property
    def quarantined(self) -> Any:
        return make_job(state=JobState.QUARANTINED).pk

    @property
    def read(self) -> Any:
        study = self.result.radiograph.study
        entry = Entry(self.result.pk, "confirm", "definite")
        return sign(study, self.radiologist, entry, PASSWORD).pk

    @property
    def verification(self) -> Any:
        return runs.request(self.radiologist).pk

    @property
    def second_read(self) -> Any:
        return SecondReading.objects.create(study_id=self.study, reason="drawn").pk

    @property
    def left(self) -> Any:
        assert self.result
        return make_study().pk

    @property
    def reserved(self) -> Any:
        study = self.result.radiograph.study
        reservation.reserve(study, self.radiologist)
        return study.pk

    @property
    def text(self) -> Any:
        fields = {"key": "n", "name": "Normal", "text": "Lungs clear."}
        return TextTemplate.objects.create(owner=self.radiologist, **fields).pk

    @property
    def drafted(self) -> Any:
        study = make_study()
        save_draft(study, self.radiologist, Entry(None, comment="So far nothing."))
        return study.pk

    @cached_property
    def held_item(self) -> UploadItem:
        make_patient(patient_id="P-1", issuer="", name="Phantom^Berta")
        records = {FORM_KEY: CaseRecord("P-1", name="Phantom^Anna")}
        batch = services.create_batch(self.uploader, identity_mode="form", records=records)
        file = io.BytesIO(phantom_png(1))
        return pipeline.receive_file(batch, "held.png", file, self.uploader)[0]

    @property
    def held(self) -> Any:
        return self.held_item.pk

    @property
    def batch(self) -> Any:
        return self.held_item.batch_id

    @property
    def notification(self) -> Any:
        batch = services.create_batch(self.uploader)
        kind = NotificationKind.BATCH_DONE
        return Notification.objects.create(recipient=self.uploader, kind=kind, batch=batch).pk

    @cached_property
    def node(self) -> Any:
        return make_node().pk

    @property
    def found(self) -> Any:
        return make_received(None, InboxState.FOUND).pk

    @property
    def received(self) -> Any:
        return make_received(Node.objects.get(pk=self.node)).pk

    @property
    def person(self) -> Any:
        return self.uploader.pk

    @property
    def worker(self) -> Any:
        now = timezone.now()
        return Worker.objects.create(name="gpu-1@host", started_at=now, last_seen_at=now).pk

    @property
    def token(self) -> Any:
        create_token(self.radiologist, "a script")
        return ApiToken.objects.get().token_key

    def fill(self, operation_id: str) -> None:
        """Make what a list is to show."""
        for start, name in LISTED.items():
            if operation_id.startswith(start):
                self[name]
