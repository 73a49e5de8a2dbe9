"""URL configuration of DICOMweb."""

from collections.abc import Callable
from typing import Any

from django.http import HttpResponseBase
from django.urls import path

from webportal.dicomweb.rendering_views import RenderingEndpoint
from webportal.dicomweb.retrieval_views import RetrievalEndpoint
from webportal.dicomweb.search_views import SearchEndpoint
from webportal.dicomweb.storing_views import DicomwebStudyEndpoint

app_name = "dicomweb"

View = Callable[..., HttpResponseBase]
_STUDY = "studies/<str:study>"
_SERIES = f"{_STUDY}/series/<str:series>"
_INSTANCE = f"{_SERIES}/instances/<str:instance>"
_FRAMES = f"{_INSTANCE}/frames/<str:frames>"


def _get(endpoint: Any, action: str) -> View:
    view: View = endpoint.as_view({"get": action})
    return view


_studies = DicomwebStudyEndpoint.as_view({"get": "find_studies", "post": "store"})
_retrieve = _get(RetrievalEndpoint, "retrieve")
_describe = _get(RetrievalEndpoint, "describe")
_rendered = _get(RenderingEndpoint, "rendered")
_thumbnail = _get(RenderingEndpoint, "thumbnail")
_series = _get(SearchEndpoint, "find_series")
_instances = _get(SearchEndpoint, "find_instances")

urlpatterns = [
    path("studies", _studies, name="studies"),
    path("series", _series, name="series"),
    path("instances", _instances, name="instances"),
    path(_STUDY, DicomwebStudyEndpoint.as_view({"get": "retrieve", "post": "store"}), name="study"),
    path(f"{_STUDY}/metadata", _describe, name="study-metadata"),
    path(f"{_STUDY}/thumbnail", _thumbnail, name="study-thumbnail"),
    path(f"{_STUDY}/series", _series, name="study-series"),
    path(f"{_STUDY}/instances", _instances, name="study-instances"),
    path(_SERIES, _retrieve, name="one-series"),
    path(f"{_SERIES}/metadata", _describe, name="series-metadata"),
    path(f"{_SERIES}/thumbnail", _thumbnail, name="series-thumbnail"),
    path(f"{_SERIES}/instances", _instances, name="series-instances"),
    path(_INSTANCE, _retrieve, name="instance"),
    path(f"{_INSTANCE}/metadata", _describe, name="instance-metadata"),
    path(f"{_INSTANCE}/rendered", _rendered, name="rendered"),
    path(f"{_INSTANCE}/thumbnail", _thumbnail, name="thumbnail"),
    path(f"{_INSTANCE}/bulkdata/<str:tag>", _get(RetrievalEndpoint, "bulk_data"), name="bulk-data"),
    path(_FRAMES, _get(RetrievalEndpoint, "frames"), name="frames"),
    path(f"{_FRAMES}/rendered", _rendered, name="frame-rendered"),
    path(f"{_FRAMES}/thumbnail", _thumbnail, name="frame-thumbnail"),
]
