"""The gate: whether an image is an upright frontal chest radiograph, or can be made one."""

from ml.serving.gate.decision import Gate, Refusal

__all__ = ["Gate", "Refusal"]
