"""Agreement between readers and the model."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from webportal.accounts.models import Role
from webportal.api.base import Endpoint
from webportal.review.models import Read
from webportal.review.reports.agreement_views import agreement_rows


class DaysSerializer(serializers.Serializer[Any]):
    """The range of days whose signed reads are counted."""

    since = serializers.DateField(required=False)
    until = serializers.DateField(required=False)


class AgreementSerializer(serializers.Serializer[Any]):
    """Two raters of the same studies, each saying whether there is pneumonia."""

    compared = serializers.CharField(source="label")
    count = serializers.IntegerField(source="figures.count")
    both = serializers.IntegerField(source="figures.both")
    only_first = serializers.IntegerField(source="figures.only_first")
    only_second = serializers.IntegerField(source="figures.only_second")
    neither = serializers.IntegerField(source="figures.neither")
    observed = serializers.FloatField(source="figures.observed", allow_null=True)
    kappa = serializers.FloatField(
        source="figures.kappa", allow_null=True, help_text="Cohen's kappa; null if undefined."
    )
    interval = serializers.ListField(
        source="figures.interval",
        child=serializers.FloatField(),
        allow_null=True,
        help_text="The 95 % interval of kappa; null if the answers vary too little to compute one.",
    )


class AgreementEndpoint(Endpoint[Read]):
    """Agreement beyond chance: pooled, and for radiologists also their own."""

    queryset = Read.objects.none()
    filter_backends = []
    pagination_class = None
    roles = {"list": (Role.RADIOLOGIST, Role.IT, Role.AUDITOR)}

    @extend_schema(parameters=[DaysSerializer], responses=AgreementSerializer(many=True))
    def list(self, request: Request) -> Response:
        """Cohen's kappa of readers and the model, and of first and second readers."""
        days = DaysSerializer(data=request.query_params)
        days.is_valid(raise_exception=True)
        own = self.person if self.person.has_role(Role.RADIOLOGIST) else None
        given = days.validated_data
        rows = agreement_rows(given.get("since"), given.get("until"), own)
        return Response(AgreementSerializer(rows, many=True).data)
