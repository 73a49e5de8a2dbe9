"""Serializer of a study's signed finding, which answers show before the model's result."""

from typing import Any

from rest_framework import serializers

from webportal.review.models import OtherFinding, Pneumonia
from webportal.review.reads.headline import NOT_INTERPRETABLE

STANDS = [
    ("", "Nothing to compare"),
    ("agrees", "As the finding says"),
    ("overruled", "Overruled by the reader"),
    ("differs", "Differs from the finding, which was signed without this result"),
]
MODEL_IS = "Whether the model's result agrees with the signed finding."
VALUES = [*Pneumonia.choices, (NOT_INTERPRETABLE, "Not interpretable")]


class FindingSerializer(serializers.Serializer[Any]):
    """The signed finding of a study that counts."""

    read = serializers.UUIDField()
    value = serializers.ChoiceField(choices=VALUES)
    other_findings = serializers.ListField(
        child=serializers.ChoiceField(choices=OtherFinding.choices), source="others"
    )
    reader_name = serializers.CharField(source="reader")
    signed_at = serializers.DateTimeField()
    is_amended = serializers.BooleanField()
    addenda = serializers.IntegerField(help_text="The number of signed addenda.")
    covers_all_images = serializers.BooleanField(
        source="covers_all",
        help_text="False if an image was added to the study after the signature.",
    )
