"""Serializer of a study's signed finding, which answers show before the model's result."""

from typing import Any

from rest_framework import serializers

from webportal.review.models import OtherFinding, Pneumonia
from webportal.review.reads.headline import NOT_INTERPRETABLE

STANDS = [
    ("", "Nothing to compare"),
    ("agrees", "As the finding says"),
    ("overruled", "Overruled by the reader"),
    ("differs", "Other than the finding, which was not signed on this result"),
]
MODEL_IS = "How the model's result stands to the signed finding."
VALUES = [*Pneumonia.choices, (NOT_INTERPRETABLE, "Not interpretable")]


class FindingSerializer(serializers.Serializer[Any]):
    """What a reader has signed of a study, and counts."""

    read = serializers.UUIDField()
    value = serializers.ChoiceField(choices=VALUES)
    other_findings = serializers.ListField(
        child=serializers.ChoiceField(choices=OtherFinding.choices), source="others"
    )
    reader_name = serializers.CharField(source="reader")
    signed_at = serializers.DateTimeField()
    is_amended = serializers.BooleanField()
    addenda = serializers.IntegerField(help_text="How many were signed to the read.")
    covers_all_images = serializers.BooleanField(
        source="covers_all", help_text="False where an image has joined the study since."
    )
