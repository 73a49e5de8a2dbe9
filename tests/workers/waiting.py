"""The workers' application, but the device is at work until a stat image is queued."""

import time
from typing import Any

from workers.app import app

# isort: split
# Django is set up by now.

from ml.serving import predictor
from webportal.inference.models import Job
from webportal.records.choices import Priority

__all__ = ["app"]

_predict = predictor.Predictor.predict


def predict_once_one_is_queued(self: Any, batch: Any) -> Any:
    while not Job.objects.filter(priority=Priority.STAT).exists():
        time.sleep(0.05)
    return _predict(self, batch)


predictor.Predictor.predict = predict_once_one_is_queued  # type: ignore[method-assign]
