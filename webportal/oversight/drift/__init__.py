"""Drift: whether the model's input and its scores have changed since its first weeks."""
