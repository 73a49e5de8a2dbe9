"""Addresses for programs: their responses are in English, with Problem Details."""

ROOTS = ("/api/", "/dicom-web/")


def is_for_programs(path: str) -> bool:
    """Whether the REST API or DICOMweb is at this address."""
    return path.startswith(ROOTS)
