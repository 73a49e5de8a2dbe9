"""Searches (QIDO-RS, PS3.18 10.6)."""

import json
from typing import Any

from django.db.models import Q
from django.http import HttpResponse
from rest_framework.request import Request

from webportal.access.shown import show
from webportal.accounts.roles import UPLOADERS
from webportal.dicomweb import addresses, negotiation, query, search, series
from webportal.dicomweb.attributes import Level
from webportal.dicomweb.endpoint import DicomwebEndpoint
from webportal.dicomweb.reports import StructuredReport
from webportal.records.models import Radiograph

_NOT_FUZZY = (
    '299 Chestline "The fuzzymatching parameter is not supported. Only literal matching has been'
    ' performed."'
)


class SearchEndpoint(DicomwebEndpoint):
    """Searches; results and search terms are recorded in the access log."""

    roles = dict.fromkeys(("find_studies", "find_series", "find_instances"), UPLOADERS)

    def find_studies(self, request: Request) -> HttpResponse:
        """Search for studies."""
        return self._answer(request, Level.STUDY, Q())

    def find_series(self, request: Request, study: str = "") -> HttpResponse:
        """Search for series, in one study or all."""
        within = Q(study__study_instance_uid=study) if study else Q()
        return self._answer(request, Level.SERIES, within, self._reports(study))

    def find_instances(self, request: Request, study: str = "", series: str = "") -> HttpResponse:
        """Search for instances, in one series, one study or all."""
        within = Q(study__study_instance_uid=study) if study else Q()
        if series:
            within &= Q(series__series_instance_uid=series)
        return self._answer(request, Level.INSTANCE, within, self._reports(study, series))

    def _reports(self, study: str, series: str = "") -> list[StructuredReport] | None:
        """The reports of the study that a search is restricted to; None if it is not restricted."""
        return self.reports(study, series) if study else None

    def _answer(
        self,
        request: Request,
        level: Level,
        within: Q,
        reports: list[StructuredReport] | None = None,
    ) -> HttpResponse:
        """Answer a search; it is within one study if `reports` are those of a study."""
        negotiation.require_json(request)
        asked = query.read(request.GET, level)
        studies = self.studies()
        if level > Level.STUDY:
            series_less = Radiograph.objects.filter(study__in=studies)
            series.fill_in(series_less)
        page = search.search(asked, level, studies, within, reports or ())
        root = addresses.root(request)
        results: list[dict[str, Any]] = [
            search.result(found, level, asked, root, is_scoped=reports is not None)
            for found in page.found
        ]
        show(request, *(found.study for found in page.found))
        response = HttpResponse(
            json.dumps(results, ensure_ascii=False), content_type=negotiation.JSON
        )
        warnings = [_NOT_FUZZY] if asked.is_fuzzy else []
        if page.remaining:
            warnings.append(
                f'299 Chestline "There are {page.remaining} additional results that can be'
                ' requested."'
            )
        if warnings:
            response.headers["Warning"] = ", ".join(warnings)
        return response
