"""The intended purpose of a model version, and whether a result is within it."""
