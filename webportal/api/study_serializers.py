"""Serializers of studies, their case records and results."""

import uuid
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from webportal.accounts.models import Department
from webportal.api.base import PriorityField
from webportal.api.findings import MODEL_IS, STANDS, FindingSerializer
from webportal.api.patients import IdentityCorrectionRequest, IdentitySerializer
from webportal.inference.models import JobState
from webportal.inference.purpose.reasons import sentences
from webportal.orders.models import Order
from webportal.records.choices import Category, Purpose, Symptom
from webportal.records.identity import identity_version
from webportal.records.models import Study
from webportal.review.reads.second_reading import due_of_second_reading
from webportal.review.study.progress import NOTHING

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
        " are not radiologists."
    )
    analysis = serializers.SerializerMethodField(
        help_text="The progress of the analysis of the study's radiographs."
    )
    result = serializers.SerializerMethodField(
        help_text="Null while there is none, and for callers who are not radiologists."
    )

    result_withheld = serializers.SerializerMethodField(
        help_text="Whether the model's result is withheld from the caller until they have read the"
        " study. If they have chosen to read first, `results=open` in the address shows it."
    )
    second_reading = serializers.SerializerMethodField(
        help_text="`second` or `arbitration` while such a read is due."
    )
    reserved_by = serializers.SerializerMethodField(
        help_text="The id of the user who is reading the study now."
    )
    orders = serializers.SerializerMethodField(
        help_text="The orders linked to the study, as their system described them last; empty"
        " while there is none."
    )
    identity_corrected = serializers.SerializerMethodField(
        help_text="Whether a read visible to the caller was signed under an identity that differs"
        " from the present one; see `identity_corrections` of the read."
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
