"""The objects that leave the portal: structured reports, secondary captures, FHIR and HL7.

Each module makes one kind, as bytes, from records that no longer change; nothing here sends.
"""
