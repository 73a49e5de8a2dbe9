"""Orders of the hospital: received by HL7 v2, and brought to their studies."""
