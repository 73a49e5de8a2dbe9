"""The documents sent to other systems: structured reports, secondary captures, FHIR and HL7.

Each module creates one kind, as bytes, from records that no longer change. Nothing here sends them.
"""
