"""Studies with case records and results."""

from typing import Any

from django.forms import model_to_dict
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from webportal.access.shown import show
from webportal.accounts.models import Role
from webportal.accounts.roles import UPLOADERS
from webportal.api.access_reporting import show_all
from webportal.api.base import Endpoint, SearchText
from webportal.api.filters import StrictFilters
from webportal.api.patients import PatientSerializer
from webportal.api.problems import form_problem
from webportal.api.study_filters import StudyFilter
from webportal.api.study_serializers import (
    CaseRecordSerializer,
    MoveStudy,
    StudySerializer,
    WhoseStudy,
    WhoseStudyCorrected,
)
from webportal.audit.models import Action
from webportal.audit.trail import Event, append
from webportal.intake.claimed_identity import Identity
from webportal.orders.display import orders_of
from webportal.records.choices import ReadingState
from webportal.records.forms import PatientForm
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
from webportal.review.study.case_records import (
    CASE_RECORD_FIELDS,
    assign_patient,
    change_case_record,
    refuse_if_reserved,
)
from webportal.review.study.forms import StudyCaseRecordForm
from webportal.review.study.moving import MOVERS, move_to_department
from webportal.review.study.progress import progress_of
from webportal.review.worklist.order import BLIND_URGENCY, URGENCY


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
        form = StudyCaseRecordForm({**present, **given.validated_data}, instance=study)
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
        """Move a study to another department, whose people are then the only ones who see it.

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
