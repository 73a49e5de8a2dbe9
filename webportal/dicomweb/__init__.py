"""DICOMweb (DICOM PS3.18): storing, searching and retrieving images over HTTP."""
