"""Addresses that programs call: they answer in English, and with Problem Details."""

ROOTS = ("/api/", "/dicom-web/")


def is_for_programs(path: str) -> bool:
    """Whether the REST API or DICOMweb is at this address."""
    return path.startswith(ROOTS)
