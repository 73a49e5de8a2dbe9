"""FHIR R4 (4.0.1): a transaction of the resources that say what a study's results or report are.

Each resource has a logical id derived from what it describes, so that the transaction may be
repeated, and that a newer one updates the same resources.
"""
