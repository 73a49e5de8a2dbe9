"""Emergency access: time-limited access to a patient of another department, with a reason."""
