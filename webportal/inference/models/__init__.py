"""Model versions, inference jobs, predictions, and the workers that make them."""

from webportal.inference.models.queue import (
    OldestProtocol,
    PeriodLength,
    QueuePause,
    QueuePeriod,
    Worker,
)
from webportal.inference.models.results import Job, JobState, ModelVersion, Prediction

__all__ = [
    "Job",
    "JobState",
    "ModelVersion",
    "OldestProtocol",
    "PeriodLength",
    "Prediction",
    "QueuePause",
    "QueuePeriod",
    "Worker",
]
