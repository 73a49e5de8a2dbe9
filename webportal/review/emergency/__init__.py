"""Emergency access: one patient of another department, for a reason and an hour."""
