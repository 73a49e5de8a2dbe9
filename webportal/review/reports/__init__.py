"""The report of a study, and the agreement page."""
