"""Drift: whether what reaches the model, and what it says, has changed since its first weeks."""
