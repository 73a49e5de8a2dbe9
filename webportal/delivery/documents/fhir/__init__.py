"""FHIR R4 (4.0.1): transactions of the resources that describe a study's results or report.

The logical id of each resource is derived from what it describes, so that a transaction may be
repeated and a newer one updates the same resources.
"""
