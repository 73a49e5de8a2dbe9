"""The workers' application, but the device takes its time over each batch.

However fast the machine, there is then a middle also of a few batches.
"""

import time
from typing import Any

from workers.app import app

# isort: split
# Django is set up by now.

from ml.serving import predictor

__all__ = ["app"]

BATCH_SECONDS = 0.6

_predict = predictor.Predictor.predict


def predict_unhurriedly(self: Any, batch: Any) -> Any:
    time.sleep(BATCH_SECONDS)
    return _predict(self, batch)


predictor.Predictor.predict = predict_unhurriedly  # type: ignore[method-assign]
