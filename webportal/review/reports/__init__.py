"""What is read outside of the study page: the report of a study, and agreement of reads."""
