"""Erasure of patients or studies that are due: records, files, and details in the audit trail."""
