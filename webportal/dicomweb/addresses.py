"""Addresses of DICOMweb resources."""

from django.http import HttpRequest
from django.urls import reverse

from webportal.dicomweb.attributes import Found
from webportal.records.models import Radiograph


def root(request: HttpRequest) -> str:
    """The root of the service as the caller knows it, such as https://host/dicom-web."""
    return request.build_absolute_uri(reverse("dicomweb:studies")).removesuffix("/studies")


def of(root: str, found: Found) -> str:
    """Where a study, series or instance is retrieved."""
    address = f"{root}/studies/{found.study.study_instance_uid}"
    if found.series is not None:
        address += f"/series/{found.series.series_instance_uid}"
    if found.radiograph is not None:
        address += f"/instances/{found.radiograph.sop_instance_uid}"
    return address


def of_instance(root: str, radiograph: Radiograph) -> str:
    """Where an instance is retrieved."""
    series = radiograph.series.series_instance_uid if radiograph.series else ""
    study = radiograph.study.study_instance_uid
    return f"{root}/studies/{study}/series/{series}/instances/{radiograph.sop_instance_uid}"
