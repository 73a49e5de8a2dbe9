"""Erasing a patient, or studies that are due: records, files, and what the trail says of them."""
