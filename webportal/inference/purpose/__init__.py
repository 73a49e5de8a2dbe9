"""What a model version was made for, and whether a result is within it."""
