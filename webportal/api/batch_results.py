"""Results of a batch's files, and validation of a sheet before a batch is created."""

from dataclasses import asdict
from typing import Any

from django.db.models import QuerySet
from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from webportal.accounts.roles import UPLOADERS
from webportal.api.base import PRIORITIES, Endpoint
from webportal.api.findings import MODEL_IS, STANDS, FindingSerializer
from webportal.inference.models import JobState
from webportal.inference.purpose.reasons import sentences
from webportal.intake.cases import sheet
from webportal.intake.models import UploadBatch, Verdict
from webportal.records.choices import Category, Priority, Purpose, ReadingState
from webportal.review.batches import results, views

NOTHING = ("", "Does not exist, or is not visible to the caller")
WAITING_STATES = (JobState.QUEUED, JobState.RUNNING, JobState.QUARANTINED, JobState.CANCELLED)
ANALYSES = [NOTHING, (results.ANALYSED, "Analysed"), *((s.value, s.label) for s in WAITING_STATES)]


class ResultSerializer(serializers.Serializer[Any]):
    """One file of a batch and its result."""

    file_name = serializers.CharField()
    verdict = serializers.ChoiceField(choices=Verdict.choices)
    reason_code = serializers.CharField()
    reason = serializers.CharField()
    patient_name = serializers.CharField()
    patient_id = serializers.CharField()
    study_id = serializers.UUIDField(allow_null=True)
    accession_number = serializers.CharField()
    performed_at = serializers.DateTimeField(allow_null=True)
    priority = serializers.ChoiceField(choices=PRIORITIES, allow_null=True)
    analysis = serializers.ChoiceField(choices=ANALYSES)
    category = serializers.ChoiceField(
        choices=[NOTHING, *Category.choices], help_text="For radiologists only."
    )
    probability = serializers.FloatField(allow_null=True)
    purpose = serializers.ChoiceField(choices=[NOTHING, *Purpose.choices])
    doubts = serializers.ListField(
        child=serializers.CharField(),
        help_text="Why the result is not clearly within the model's purpose.",
    )
    model_version = serializers.CharField()
    reading_state = serializers.ChoiceField(choices=[NOTHING, *ReadingState.choices])
    identity_corrected = serializers.BooleanField(
        help_text="Whether a read was signed under an identity that differs from the"
        " patient's present one."
    )
    result_withheld = serializers.BooleanField(
        help_text="Whether the model's result is withheld from the caller until they have"
        " read the study."
    )
    finding = FindingSerializer(
        allow_null=True, help_text="The signed finding of its study; for radiologists only."
    )
    model_is = serializers.ChoiceField(choices=STANDS, help_text=MODEL_IS)


class SheetText(serializers.Serializer[Any]):
    """The text of a CSV sheet."""

    sheet = serializers.CharField(trim_whitespace=False)


class SheetProblemSerializer(serializers.Serializer[Any]):
    """What is wrong with one value in a line."""

    column = serializers.CharField(help_text="Empty if the problem concerns the whole line.")
    message = serializers.CharField()


class SheetLineSerializer(serializers.Serializer[Any]):
    """A line of a sheet and its problems."""

    number = serializers.IntegerField(help_text="Line 1 contains the column names.")
    file = serializers.CharField()
    problems = SheetProblemSerializer(many=True)


class CheckedSheet(serializers.Serializer[Any]):
    """Every line of a sheet."""

    is_good = serializers.BooleanField(help_text="Whether a batch can be created from it.")
    lines = SheetLineSerializer(many=True)


class BatchResultEndpoint(Endpoint[UploadBatch]):
    """Results of batches."""

    queryset = UploadBatch.objects.all()
    roles = dict.fromkeys(("results", "results_csv"), UPLOADERS) | {"check_sheet": UPLOADERS}
    opens_results = ("results", "results_csv")
    read_by_post = of_uploading = ("check_sheet",)

    @extend_schema(responses=ResultSerializer(many=True))
    @action(detail=True, filter_backends=[])
    def results(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """The result of each file of a batch; the model's results for radiologists only."""
        items: QuerySet[Any] = results.items_of(
            self.get_object(), self.person, "file", is_open=self.results_are_open
        )
        page: Any = self.paginate_queryset(items)
        found = {row.pk: row for row in page}
        rows = list(results.rows(items.filter(pk__in=found), self.person))
        results.show_rows(request, rows)
        return self.get_paginated_response(ResultSerializer(map(_named, rows), many=True).data)

    @extend_schema(
        operation_id="batches_results_csv_retrieve",
        responses={(200, "text/csv"): OpenApiTypes.STR},
    )
    @action(detail=True, url_path="results.csv", filter_backends=[])
    def results_csv(self, request: Request, *args: Any, **kwargs: Any) -> HttpResponse:
        """All the results as one CSV file; the export is recorded in the audit trail."""
        chosen = views.export(
            self.get_object(), self.person, "csv", "file", is_open=self.results_are_open
        )
        results.show_rows(request, chosen.rows)
        return views.csv_response(chosen)

    @extend_schema(request=SheetText, responses=CheckedSheet)
    @action(detail=False, methods=["post"], url_path="check-sheet", filter_backends=[])
    def check_sheet(self, request: Request) -> Response:
        """Check each line of a CSV sheet; nothing is created."""
        given = SheetText(data=request.data)
        given.is_valid(raise_exception=True)
        checked = sheet.parse(given.validated_data["sheet"].encode())
        lines = [asdict(line) | {"file": line.values.get("file", "")} for line in checked.lines]
        answer = {"is_good": not checked.bad_lines, "lines": lines}
        return Response(CheckedSheet(answer).data)


def _named(row: results.FileRow) -> dict[str, Any]:
    named = None if row.priority is None else Priority(row.priority).name.lower()
    return asdict(row) | {
        "priority": named,
        "reason": row.reason.english,
        "doubts": sentences(row.purpose_reasons),
        "finding": row.finding,
        "model_is": row.finding.against(row.category) if row.finding else "",
    }
