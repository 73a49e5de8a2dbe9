"""The studies resource: stores instances (STOW-RS, PS3.18 10.5) and returns studies."""

import json

from django.conf import settings
from django.http import HttpResponse
from django.utils.http import parse_header_parameters
from rest_framework.request import Request

from webportal.accounts import departments
from webportal.accounts.roles import UPLOADERS
from webportal.dicomweb import addresses, multipart, negotiation, storing
from webportal.dicomweb.errors import UnsupportedMedia
from webportal.dicomweb.negotiation import DICOM
from webportal.dicomweb.retrieval_views import RetrievalEndpoint
from webportal.dicomweb.search_views import SearchEndpoint
from webportal.intake.access_reporting import show_items
from webportal.intake.pipeline.body import received


class DicomwebStudyEndpoint(SearchEndpoint, RetrievalEndpoint):
    """Searching and storing at the same URLs."""

    roles = SearchEndpoint.roles | RetrievalEndpoint.roles | {"store": UPLOADERS}
    of_uploading = ("store",)

    def store(self, request: Request, study: str = "") -> HttpResponse:
        """Store the instances in the body, and return the outcome of each.

        New studies belong to the `department` of the query (id or name), or the caller's only one.
        """
        negotiation.require_json(request)
        media_type, parameters = parse_header_parameters(request.headers.get("Content-Type", ""))
        is_single = media_type == DICOM
        of_parts = parameters.get("type", DICOM).strip('"').lower()
        if not is_single and (media_type != "multipart/related" or of_parts != DICOM):
            raise UnsupportedMedia(f'Send multipart/related; type="{DICOM}"; boundary=….')
        name = request.query_params.get("department")
        department = departments.named(name, self.person) if name else None
        with received(request._request) as body:
            largest = settings.UPLOAD_MAX_BYTES
            parts = (
                iter([multipart.single(body, DICOM, largest)])
                if is_single
                else multipart.read(body, parameters.get("boundary", ""), largest)
            )
            outcomes = storing.StoreTransaction(self.person, study, department).store(parts)
        show_items(request, outcomes.items)
        answer = storing.answer(outcomes, addresses.root(request))
        return HttpResponse(
            json.dumps(answer, ensure_ascii=False),
            content_type=negotiation.JSON,
            status=outcomes.status,
        )
