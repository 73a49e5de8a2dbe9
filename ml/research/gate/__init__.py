"""Fitting the gate and measuring what it does."""
