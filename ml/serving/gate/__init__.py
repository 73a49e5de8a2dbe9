"""The gate: is this an upright frontal chest radiograph at all, and can it be made one?"""

from ml.serving.gate.decision import Gate, Refusal

__all__ = ["Gate", "Refusal"]
