"""The workers' application: `celery --app chaos.mortal.worker`."""

from workers.app import app

# isort: split
# Django is set up by now.

from chaos.points import die_after
from ml.serving import predictor
from webportal.inference import claims
from workers import batches, engine

__all__ = ["app"]

die_after(engine, "claim", "claimed")
die_after(batches, "load_input", "decoded")
die_after(predictor.Predictor, "predict", "predicted")
die_after(claims, "append_all", "results-uncommitted")
die_after(engine, "write_back", "results-written")
