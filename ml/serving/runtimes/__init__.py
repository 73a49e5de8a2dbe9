"""Inference runtimes: one module per runtime, behind one small interface."""
