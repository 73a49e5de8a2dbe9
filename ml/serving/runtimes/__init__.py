"""Inference runtimes: one module per runtime, behind one small interface."""

import os

# Otherwise ONNX Runtime gives the machine an identifier and keeps events for an address of its
# makers. It reads this when it is imported.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
