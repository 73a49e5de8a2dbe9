"""URLs of DICOMweb resources."""

from django.http import HttpRequest
from django.urls import reverse

from webportal.dicomweb.attributes import FoundRow, StudyContents
from webportal.dicomweb.reports import StructuredReport
from webportal.records.models import Radiograph


def root(request: HttpRequest) -> str:
    """The service root as seen by the caller, such as https://host/dicom-web."""
    return request.build_absolute_uri(reverse("dicomweb:studies")).removesuffix("/studies")


def of(root: str, found: FoundRow) -> str:
    """The retrieve URL of a study, series or instance."""
    address = f"{root}/studies/{found.study.study_instance_uid}"
    if found.series is not None:
        address += f"/series/{found.series.series_instance_uid}"
    if found.radiograph is not None:
        address += f"/instances/{found.radiograph.sop_instance_uid}"
    return address


def of_instance(root: str, radiograph: Radiograph) -> str:
    """The retrieve URL of an instance."""
    series = radiograph.series.series_instance_uid if radiograph.series else ""
    study = radiograph.study.study_instance_uid
    return f"{root}/studies/{study}/series/{series}/instances/{radiograph.sop_instance_uid}"


def of_report(root: str, report: StructuredReport) -> str:
    """The retrieve URL of a report."""
    return of(root, FoundRow(report.study, StudyContents(), report, report))
