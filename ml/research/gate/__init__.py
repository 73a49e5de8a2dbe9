"""Fitting the gate and measuring its performance."""
