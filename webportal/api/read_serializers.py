"""Serializers of reads, marks and addenda, and of signatures."""

import uuid
from dataclasses import asdict
from datetime import datetime
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from webportal.records.models import IdentityCorrection
from webportal.review.models import (
    Addendum,
    Decision,
    OtherFinding,
    Pneumonia,
    Read,
    ReadKind,
    ReadState,
    Zone,
)
from webportal.review.reads import services
from webportal.review.reads.codes import coded_findings
from webportal.review.reads.corrections import corrections_of
from webportal.review.reads.marks import MARKED_FINDINGS, MOST_MARKS, Mark
from webportal.review.reads.measurements import (
    MOST_MEASUREMENTS,
    Measurement,
    MeasurementKind,
    Unit,
    parse_measurements,
)
from webportal.review.reads.standing import final_at


class AddendumSerializer(serializers.ModelSerializer[Addendum]):
    """Signed text added to a signed read."""

    author_name = serializers.CharField(source="author")

    class Meta:
        model = Addendum
        fields = ["id", "author", "author_name", "reason", "text", "signed_at"]


class MarkSerializer(serializers.Serializer[Any]):
    """A place on an image, in pixels of the stored image, counted from its upper left corner."""

    radiograph = serializers.UUIDField(help_text="The id of one of the study's images.")
    finding = serializers.ChoiceField(
        choices=MARKED_FINDINGS, help_text="`pneumonia`, or one of `other_findings`."
    )
    column = serializers.IntegerField(min_value=0, help_text="Counted from 0 at the left.")
    row = serializers.IntegerField(min_value=0, help_text="Counted from 0 at the top.")
    width = serializers.IntegerField(
        min_value=0, default=0, help_text="Size of a box in pixels; 0 for a point."
    )
    height = serializers.IntegerField(min_value=0, default=0)


class MeasurementSerializer(serializers.Serializer[Any]):
    """A measurement on an image. The portal computes its value; it cannot be set."""

    radiograph = serializers.UUIDField(help_text="The id of one of the study's images.")
    kind = serializers.ChoiceField(choices=MeasurementKind.choices)
    points = serializers.ListField(
        child=serializers.ListField(
            child=serializers.FloatField(min_value=0, max_value=100_000), min_length=2, max_length=2
        ),
        min_length=2,
        max_length=3,
        help_text="Column and row in pixels of the stored image: the ends of a length; end, vertex"
        " and end of an angle; two opposite corners of the box around an area.",
    )
    value = serializers.FloatField(read_only=True)
    unit = serializers.ChoiceField(
        choices=Unit.choices,
        read_only=True,
        help_text="`px` and `px2` if the file does not give the size of a pixel.",
    )
    at_detector = serializers.BooleanField(
        read_only=True,
        help_text="Whether it is measured at the detector, where lengths are greater than in the"
        " patient.",
    )


class IdentityOfRead(serializers.Serializer[Any]):
    """The patient's identity as recorded with a signature; '' for unknown values."""

    patient = serializers.UUIDField()
    patient_id = serializers.CharField()
    issuer = serializers.CharField()
    name = serializers.CharField(help_text="In DICOM form, FAMILY^Given.")
    birth_date = serializers.CharField(help_text="ISO 8601.")
    sex = serializers.CharField()


class IdentityCorrectionSerializer(serializers.ModelSerializer[IdentityCorrection]):
    """A correction of the patient's identity, made after the read was signed."""

    before = IdentityOfRead()
    after = IdentityOfRead()
    corrected_by_name = serializers.CharField(source="corrected_by")

    class Meta:
        model = IdentityCorrection
        fields = ["id", "at", "corrected_by", "corrected_by_name", "reason", "before", "after"]


class CodedFinding(serializers.Serializer[Any]):
    """A finding, certainty or zone of a read with its codes; '' if a scheme has none."""

    term = serializers.CharField(help_text="`pneumonia`, or a value of the read's fields.")
    radlex = serializers.CharField(help_text="RadLex 4.3.")
    snomed_ct = serializers.CharField()
    laterality = serializers.CharField(help_text="SNOMED CT qualifier of a zone.")


class ReadSerializer(serializers.ModelSerializer[Read]):
    """One radiologist's read of a study."""

    reader_name = serializers.CharField(source="reader")
    zones = serializers.ListField(child=serializers.ChoiceField(choices=Zone.choices))
    other_findings = serializers.ListField(
        child=serializers.ChoiceField(choices=OtherFinding.choices)
    )
    marks = MarkSerializer(many=True)
    measurements = MeasurementSerializer(many=True)
    codes = serializers.SerializerMethodField(
        help_text="The same in RadLex and SNOMED CT; findings only in the comment have no code."
    )
    superseded_by = serializers.SerializerMethodField(
        help_text="The amendment that superseded it, which may itself have been superseded."
    )
    final_at = serializers.SerializerMethodField(
        help_text="Until then its reader can take the signature back; null for a draft."
    )
    addenda = AddendumSerializer(many=True)
    identity_corrections = serializers.SerializerMethodField(
        help_text="The read was signed under `before` of the first one; `after` of the last one is"
        " the identity on record now."
    )

    class Meta:
        model = Read
        fields = [
            "id",
            "study",
            "reader",
            "reader_name",
            "prediction",
            "state",
            "kind",
            "decision",
            "pneumonia",
            "zones",
            "other_findings",
            "codes",
            "marks",
            "measurements",
            "comment",
            "created_at",
            "updated_at",
            "signed_at",
            "amends",
            "revision",
            "reason",
            "superseded_by",
            "final_at",
            "addenda",
            "identity_corrections",
        ]

    def to_representation(self, read: Read) -> dict[str, Any]:
        """The read; another reader's without decision while results are closed to the caller."""
        answer = super().to_representation(read)
        is_closed = read.study_id in self.context.get("withheld", ())
        if is_closed and read.reader_id != self.context["request"].user.pk:
            answer |= {"prediction": None, "decision": ""}
        return answer

    @extend_schema_field(CodedFinding(many=True))
    def get_codes(self, read: Read) -> Any:
        """The coded findings."""
        return [{"term": term, **asdict(code)} for term, code in coded_findings(read)]

    def get_superseded_by(self, read: Read) -> uuid.UUID | None:
        """The amendment's id."""
        signed = [each for each in read.amendments.all() if each.state == ReadState.SIGNED]
        return signed[0].pk if signed else None

    def get_final_at(self, read: Read) -> datetime | None:
        """The end of the period in which the signature can be taken back."""
        return final_at(read)

    @extend_schema_field(IdentityCorrectionSerializer(many=True))
    def get_identity_corrections(self, read: Read) -> Any:
        """The corrections made since it was signed."""
        return IdentityCorrectionSerializer(corrections_of(read), many=True).data


class EntrySerializer(serializers.Serializer[Any]):
    """A reader's input for a read."""

    prediction = serializers.UUIDField(
        allow_null=True, help_text="The result that the reader saw; null if there was none."
    )
    decision = serializers.ChoiceField(choices=Decision.choices, allow_blank=True, default="")
    pneumonia = serializers.ChoiceField(choices=Pneumonia.choices, allow_blank=True, default="")
    zones = serializers.ListField(
        child=serializers.ChoiceField(choices=Zone.choices),
        default=list,
        help_text="Where the pneumonia is; sides are the patient's.",
    )
    other_findings = serializers.ListField(
        child=serializers.ChoiceField(choices=OtherFinding.choices), default=list
    )
    marks = serializers.ListField(
        child=MarkSerializer(),
        default=list,
        max_length=MOST_MARKS,
        help_text="Where findings are on the images; at signing each must belong to a finding of"
        " the read.",
    )
    measurements = serializers.ListField(
        child=MeasurementSerializer(), default=list, max_length=MOST_MEASUREMENTS
    )
    comment = serializers.CharField(max_length=10_000, allow_blank=True, default="")
    images = serializers.IntegerField(
        allow_null=True,
        default=None,
        help_text="How many images the reader saw: signing is refused if one was added since.",
    )
    kind = serializers.ChoiceField(
        choices=ReadKind.choices,
        allow_null=True,
        default=None,
        help_text="The kind of read intended: signing is refused if a different one is due by now.",
    )
    despite_reservation = serializers.BooleanField(
        default=False, help_text="Sign although another reader is reading the study."
    )
    amends = serializers.UUIDField(
        allow_null=True,
        default=None,
        help_text="The caller's own signed read of this study that this one is to replace.",
    )
    reason = serializers.CharField(
        max_length=200,
        allow_blank=True,
        default="",
        help_text="The reason; required for an amendment.",
    )

    identity = serializers.CharField(
        default="",
        allow_blank=True,
        help_text="`identity` of the study as the reader saw it. Signing is refused if the"
        " patient's data, or the patient, have changed since.",
    )

    def entry(self) -> services.Entry:
        """Return the entry given by a validated serializer."""
        given = self.validated_data
        return services.Entry(
            seen=given["prediction"],
            decision=given["decision"],
            pneumonia=given["pneumonia"],
            zones=tuple(given["zones"]),
            other_findings=tuple(given["other_findings"]),
            marks=tuple(Mark(**mark) for mark in given["marks"]),
            measurements=tuple(_measurement(each) for each in given["measurements"]),
            comment=given["comment"],
            images=given["images"],
            kind=given["kind"],
            despite_reservation=given["despite_reservation"],
            amends=given["amends"],
            reason=given["reason"],
            identity=given["identity"],
        )


def _measurement(given: dict[str, Any]) -> Measurement:
    [parsed] = parse_measurements([given])
    return parsed


class SignatureSerializer(EntrySerializer):
    """A read to be signed; this takes the password, not only the token."""

    identity = serializers.CharField(
        help_text="`identity` of the study as the reader saw it: signing is refused if the"
        " patient's data, or the patient, have changed since."
    )
    password = serializers.CharField(trim_whitespace=False, write_only=True)


class NewAddendum(serializers.Serializer[Any]):
    """An addendum to be signed."""

    reason = serializers.CharField(max_length=200)
    text = serializers.CharField(max_length=10_000)
    images = serializers.IntegerField(
        allow_null=True,
        default=None,
        help_text="How many images the author saw; needed to close a study that an image was added"
        " to after the signature.",
    )
    identity = serializers.CharField(
        help_text="`identity` of the study as the author saw it: signing is refused if the"
        " patient's data, or the patient, have changed since."
    )
    despite_unseen = serializers.BooleanField(
        default=False,
        help_text="Close the study although an image was never displayed to the author because"
        " it cannot be displayed; the text must say so.",
    )
    password = serializers.CharField(trim_whitespace=False, write_only=True)
