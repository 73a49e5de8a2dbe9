"""Orders, received by HL7 v2 or found on a worklist, and linked to their studies."""
