"""Studies with case records and results."""

import uuid
from typing import Any

from django.forms import model_to_dict
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from webportal.access.shown import show
from webportal.accounts.models import Department, Role
from webportal.accounts.roles import UPLOADERS
from webportal.api.base import Endpoint, PriorityField, SearchText
from webportal.api.filters import StrictFilters
from webportal.api.findings import MODEL_IS, STANDS, FindingSerializer
from webportal.api.patients import (
    IdentityCorrectionRequest,
    IdentitySerializer,
    PatientSerializer,
)
from webportal.api.problems import form_problem
from webportal.api.shown import show_all
from webportal.api.study_filters import StudyFilter
from webportal.audit.models import Action
from webportal.audit.trail import Event, append
from webportal.inference.models import JobState
from webportal.inference.purpose.reasons import sentences
from webportal.intake.claimed_identity import Identity
from webportal.orders.models import Order
from webportal.orders.shown import orders_of
from webportal.records.choices import Category, Purpose, ReadingState, Symptom
from webportal.records.forms import PatientForm
from webportal.records.identity import identity_version
from webportal.records.models import Study
from webportal.records.searches import filter_by_text
from webportal.review.preferences import reads_first
from webportal.review.reads.blinding import (
    hidden_results,
    studies_with_hidden_results,
    studies_with_withheld_results,
    waiting_blind,
)
from webportal.review.reads.corrections import studies_with_corrected_reads
from webportal.review.reads.headline import findings_of
from webportal.review.reads.reservation import reservations_of
from webportal.review.reads.second_reading import due_of_second_reading
from webportal.review.study.case_records import (
    CASE_RECORD_FIELDS,
    assign_patient,
    change_case_record,
    refuse_if_reserved,
)
from webportal.review.study.forms import CaseRecordForm
from webportal.review.study.moving import MOVERS, move_to_department
from webportal.review.study.progress import NOTHING, progress_of
from webportal.review.worklist.order import BLIND_URGENCY, URGENCY

NOT_JUDGED = ("", "Not judged yet")
ANALYSIS_STATES = [*JobState.choices, ("none", "Never queued")]


class StudyResult(serializers.Serializer[Study]):
    """The model's result for a study: the worst of the images that count."""

    category = serializers.ChoiceField(
        choices=Category.choices,
        help_text="`outside_purpose`: there is a result, but the model is not intended for"
        " such an image.",
    )
    probability = serializers.FloatField(allow_null=True)
    purpose = serializers.ChoiceField(choices=[NOT_JUDGED, *Purpose.choices])
    doubts = serializers.ListField(
        child=serializers.CharField(),
        help_text="Why the result is not clearly within the model's purpose.",
    )
    images_differ = serializers.BooleanField(
        help_text="Whether the model's results differ between images."
    )
    images_withheld = serializers.IntegerField(
        help_text="The number of further images for which the model is not intended."
    )
    model_is = serializers.ChoiceField(choices=STANDS, help_text=MODEL_IS)


class OrderSerializer(serializers.ModelSerializer[Order]):
    """An order of the hospital's information system that is linked to a study."""

    priority = PriorityField()

    class Meta:
        model = Order
        fields = [
            "id",
            "accession_number",
            "placer_number",
            "filler_number",
            "status",
            "procedure_code",
            "procedure",
            "indication",
            "history",
            "notes",
            "referring_physician",
            "priority",
            "created_at",
            "changed_at",
        ]


class StudySerializer(serializers.ModelSerializer[Study]):
    """A study with its case record, its progress, and the model's result."""

    priority = PriorityField()
    symptoms = serializers.ListField(child=serializers.ChoiceField(choices=Symptom.choices))
    finding = serializers.SerializerMethodField(
        help_text="The signed finding that counts; null while there is none, and for callers who"
        " are no radiologists."
    )
    analysis = serializers.SerializerMethodField(
        help_text="The progress of the analysis of the study's radiographs."
    )
    result = serializers.SerializerMethodField(
        help_text="Null while there is none, and for callers who are not radiologists."
    )

    result_withheld = serializers.SerializerMethodField(
        help_text="Whether the model's result is withheld from the caller until they have"
        " read the study. If"
        " they have chosen to read first, `results=open` in the address shows it."
    )
    second_reading = serializers.SerializerMethodField(
        help_text="`second` or `arbitration` while such a read is due."
    )
    reserved_by = serializers.SerializerMethodField(
        help_text="The id of whoever is reading the study now."
    )
    orders = serializers.SerializerMethodField(
        help_text="The orders linked to the study, as their system described them last; empty"
        " while there is none."
    )
    identity_corrected = serializers.SerializerMethodField(
        help_text="Whether a read visible to the caller was signed under an identity that"
        " differs from"
        " the present one; see `identity_corrections` of the read."
    )
    identity = serializers.SerializerMethodField(
        help_text="Fingerprint of the patient's record: Patient ID, issuer, name, birth date, sex."
        " It changes with any of them, and if the study is moved to another patient."
    )

    class Meta:
        model = Study
        fields = [
            "id",
            "patient",
            "identity",
            "study_instance_uid",
            "accession_number",
            "description",
            "performed_at",
            "indication",
            "symptoms",
            "history",
            "referring_physician",
            "referrer",
            "priority",
            "department",
            "is_phantom",
            "created_by",
            "created_at",
            "orders",
            "reading_state",
            "assigned_reader",
            "second_reading",
            "reserved_by",
            "finding",
            "analysis",
            "result",
            "result_withheld",
            "identity_corrected",
        ]

    @extend_schema_field(
        serializers.ChoiceField(choices=["second", "arbitration"], allow_null=True)
    )
    def get_second_reading(self, study: Study) -> str | None:
        """The kind of read due after the first."""
        return due_of_second_reading(study) or None

    @extend_schema_field(serializers.UUIDField(allow_null=True))
    def get_reserved_by(self, study: Study) -> uuid.UUID | None:
        """The reader's id."""
        reservation = self.context["reservations"].get(study.pk)
        return reservation.reader_id if reservation else None

    @extend_schema_field(OrderSerializer(many=True))
    def get_orders(self, study: Study) -> Any:
        """The linked orders, the first linked first."""
        return OrderSerializer(self.context["orders"].get(study.pk, []), many=True).data

    def get_identity_corrected(self, study: Study) -> bool:
        """Whether a read visible to the caller is affected by a correction."""
        return study.pk in self.context["corrected"]

    def get_identity(self, study: Study) -> str:
        """The fingerprint that a signature has to name."""
        return identity_version(study.patient)

    @extend_schema_field(serializers.ChoiceField(choices=ANALYSIS_STATES))
    def get_analysis(self, study: Study) -> str:
        """The state of the study's jobs, in one word."""
        if study.pk in self.context["hidden"]:
            return "none"
        state = self.context["progress"].get(study.pk, NOTHING).state or "none"
        # The refusal of an image is a result, too.
        shows_result = self.context["shows_results"] and not self.get_result_withheld(study)
        return JobState.DONE if state == JobState.REFUSED and not shows_result else state

    def get_result_withheld(self, study: Study) -> bool:
        """Whether there is, or will be, a result that is withheld from this caller for now."""
        return study.pk in self.context["withheld"]

    @extend_schema_field(FindingSerializer(allow_null=True))
    def get_finding(self, study: Study) -> Any:
        """The signed finding, which clients show before the model's result."""
        finding = self.context["findings"].get(study.pk)
        return FindingSerializer(finding).data if finding else None

    @extend_schema_field(StudyResult(allow_null=True))
    def get_result(self, study: Study) -> dict[str, Any] | None:
        """The result as shown on the worklist; for radiologists only."""
        is_kept = self.get_result_withheld(study) or not self.context["shows_results"]
        if is_kept or not study.category:
            return None
        finding = self.context["findings"].get(study.pk)
        return {
            "category": study.category,
            "probability": study.probability,
            "purpose": study.purpose,
            "doubts": sentences(study.purpose_reasons),
            "images_differ": study.images_differ,
            "images_withheld": study.images_withheld,
            "model_is": finding.against(study.category) if finding else "",
        }


class DespiteReservation(serializers.Serializer[Any]):
    """Whether to proceed although another reader has reserved the study."""

    despite_reservation = serializers.BooleanField(
        default=False, help_text="Proceed although another reader has reserved the study."
    )


class WhoseStudy(IdentitySerializer, DespiteReservation):
    """The patient to assign a study to."""


class WhoseStudyCorrected(IdentityCorrectionRequest, DespiteReservation):
    """The patient to assign a study to after a signature, with the reason."""


class CaseRecordSerializer(serializers.Serializer[Any]):
    """A study's case record. Fields that are left out stay as they are."""

    indication = serializers.CharField(required=False, allow_blank=True)
    symptoms = serializers.ListField(
        child=serializers.ChoiceField(choices=Symptom.choices), required=False
    )
    history = serializers.CharField(required=False, allow_blank=True)
    referring_physician = serializers.CharField(required=False, allow_blank=True)
    referrer = serializers.UUIDField(
        required=False,
        allow_null=True,
        help_text="The account of the referring clinician, who is notified of the report.",
    )
    accession_number = serializers.CharField(required=False, allow_blank=True)
    description = serializers.CharField(required=False, allow_blank=True)
    priority = PriorityField(required=False)


class MoveStudy(serializers.Serializer[Any]):
    """The department to move a study to."""

    department = serializers.PrimaryKeyRelatedField(queryset=Department.objects.all())


class StudyEndpoint(ListModelMixin, RetrieveModelMixin, Endpoint[Study]):
    """Studies: without results for uploaders, who may complete one another's case records."""

    queryset = Study.objects.select_related("second_reading", "patient")
    serializer_class = StudySerializer
    filterset_class = StudyFilter
    ordering_fields = ["created_at", "performed_at", "priority"]
    ordering = ["-created_at"]
    roles = (
        dict.fromkeys(("list", "retrieve", "partial_update", "patient", "search"), UPLOADERS)
        | dict.fromkeys(("worklist", "second_reads", "correct_patient"), (Role.RADIOLOGIST,))
        | {"department": MOVERS}
    )
    opens_results = ("list", "retrieve", "search", "worklist")
    read_by_post = ("search",)

    def get_serializer(self, *args: Any, **kwargs: Any) -> Any:
        """A serializer that knows the progress of the studies' analysis."""
        if args:
            studies = args[0] if kwargs.get("many") else [args[0]]
            ids = [study.pk for study in studies]
            kwargs["context"] = {
                **self.get_serializer_context(),
                "progress": progress_of(ids),
                "hidden": studies_with_hidden_results(self.person, ids),
                "withheld": studies_with_withheld_results(
                    self.person, ids, is_open=self.results_are_open
                ),
                "reservations": reservations_of(ids),
                "orders": orders_of(ids),
                "corrected": studies_with_corrected_reads(self.person, ids),
                "findings": findings_of(ids, self.person),
                "shows_results": self.person.has_role(Role.RADIOLOGIST),
            }
        return super().get_serializer(*args, **kwargs)

    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """One study; viewing it is recorded in the audit trail."""
        study = self.get_object()
        append(Event(Action.STUDY_VIEWED, "study", study.pk, study.pk), self.person)
        return Response(self.get_serializer(study).data)

    @extend_schema(operation_id="studies_worklist", responses=StudySerializer(many=True))
    @action(detail=False, filter_backends=[StrictFilters])
    def worklist(self, request: Request) -> Response:
        """The unread studies in the order in which they should be read.

        Studies that the caller reads blind are left out: see second-reads.
        For callers who read first, the order depends on priority and waiting time only.
        """
        unread = self.get_queryset().filter(reading_state=ReadingState.UNREAD)
        studies = self.filter_queryset(unread.exclude(hidden_results(self.person)))
        is_closed = reads_first(self.person) and not self.results_are_open
        ordered = BLIND_URGENCY.sort(studies) if is_closed else studies.order_by(*URGENCY)
        page = self.paginate_queryset(ordered)
        return self.get_paginated_response(self.get_serializer(page, many=True).data)

    @extend_schema(operation_id="studies_second_reads", responses=StudySerializer(many=True))
    @action(detail=False, filter_backends=[StrictFilters], url_path="second-reads")
    def second_reads(self, request: Request) -> Response:
        """The studies that the caller reads blind, by priority and waiting time; no results."""
        waiting = self.get_queryset().filter(waiting_blind(self.person))
        studies = BLIND_URGENCY.sort(self.filter_queryset(waiting))
        page = self.paginate_queryset(studies)
        return self.get_paginated_response(self.get_serializer(page, many=True).data)

    @extend_schema(request=SearchText, responses={200: StudySerializer(many=True)})
    @action(detail=False, methods=["post"], filter_backends=[])
    def search(self, request: Request) -> Response:
        """Find studies by words from the patient's name, Patient ID or accession number."""
        given = SearchText(data=request.data)
        given.is_valid(raise_exception=True)
        show(request, text=given.validated_data["text"])
        found = filter_by_text(self.get_queryset(), given.validated_data["text"])
        page = self.paginate_queryset(found.order_by("-created_at", "pk"))
        return self.get_paginated_response(self.get_serializer(page, many=True).data)

    @extend_schema(request=CaseRecordSerializer)
    def partial_update(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Correct or complete a study's case record until the study is signed."""
        study = self.get_object()
        given = CaseRecordSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        present = model_to_dict(study, CASE_RECORD_FIELDS)
        form = CaseRecordForm({**present, **given.validated_data}, instance=study)
        if not form.is_valid():
            raise form_problem(form)
        change_case_record(study, form.cleaned_data, self.person)
        study.refresh_from_db()
        return Response(self.get_serializer(study).data)

    @extend_schema(request=WhoseStudy, responses=PatientSerializer)
    @action(detail=True, methods=["put"])
    def patient(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Assign a study to a patient: complete a temporary identity, or move the study.

        409 `identity-signed` after a signature: see correct-patient. 409 `reserved` while another
        reader has reserved the study, unless `despite_reservation` is true; their open page then
        shows the change, and they confirm it before they sign.
        """
        given = WhoseStudy(data=request.data)
        given.is_valid(raise_exception=True)
        return self._assign(given.validated_data)

    @extend_schema(request=WhoseStudyCorrected, responses=PatientSerializer)
    @action(detail=True, methods=["post"], url_path="correct-patient")
    def correct_patient(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Assign a study to another patient after a read of it has been signed.

        The old and the new values are kept in the audit trail, the reads signed before are marked,
        and their readers notified. 409 `reserved` as for `patient`.
        """
        given = WhoseStudyCorrected(data=request.data)
        given.is_valid(raise_exception=True)
        values = dict(given.validated_data)
        return self._assign(values, values.pop("reason"))

    @extend_schema(request=MoveStudy, responses={204: None})
    @action(detail=True, methods=["post"])
    def department(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Move a study to another department, whose people alone see it then.

        409 if it belongs there already, and while another reader has reserved it.
        """
        given = MoveStudy(data=request.data)
        given.is_valid(raise_exception=True)
        study = self.get_object()
        move_to_department(study, given.validated_data["department"], self.person)
        show_all(request, [study])
        return Response(status=204)

    def _assign(self, given: dict[str, Any], reason: str = "") -> Response:
        study = self.get_object()
        form = PatientForm(given)
        if not given["despite_reservation"]:
            refuse_if_reserved(study, self.person)
        if not form.is_valid():
            raise form_problem(form)
        patient = assign_patient(study, Identity(**form.values()), self.person, reason)
        show_all(self.request, [patient, study])
        return Response(PatientSerializer(patient).data)
