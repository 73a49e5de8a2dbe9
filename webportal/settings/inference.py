"""The queue, the workers, and drift of the model's scores."""

import environ

from webportal.settings.environment import env

BROKER_URL = env.str("BROKER_URL")
# A claim holds a batch of at most this many images for at most this long. The lease is far longer
# than a batch takes, so only a dead worker outlives it.
INFERENCE_BATCH_SIZE = env.int("INFERENCE_BATCH_SIZE", default=32)
# The runtime and device of the network; see ml.serving.runtimes.choice.
INFERENCE_RUNTIME = env.str("INFERENCE_RUNTIME", default="auto")
INFERENCE_DEVICE = env.str("INFERENCE_DEVICE", default="auto")
INFERENCE_LEASE_SECONDS = env.int("INFERENCE_LEASE_SECONDS", default=60)
INFERENCE_MAX_ATTEMPTS = 3
SWEEP_SECONDS = env.int("SWEEP_SECONDS", default=60)
# A file that worker and scheduler touch while they work, for the probes of a container platform.
HEARTBEAT_FILE = env.str("HEARTBEAT_FILE", default="")
# A job waiting longer than this while a worker is idle raises an alert: a hint was not received.
QUEUE_ALERT_SECONDS = env.int("QUEUE_ALERT_SECONDS", default=180)

# ── Drift ───────────────────────────────────────────────────────────────────────────────────────
# The first weeks of a version, this many of them, are the reference. A later week is compared with
# it if both have at least this many scores; hospital IT is alerted above this population stability
# index.
DRIFT_REFERENCE_WEEKS = env.int("DRIFT_REFERENCE_WEEKS", default=4)
DRIFT_MIN_IMAGES = env.int("DRIFT_MIN_IMAGES", default=200)
DRIFT_PSI = env.float("DRIFT_PSI", default=0.2)
if DRIFT_REFERENCE_WEEKS < 1 or DRIFT_MIN_IMAGES < 1:
    raise environ.ImproperlyConfigured(
        "DRIFT_REFERENCE_WEEKS and DRIFT_MIN_IMAGES must be at least 1."
    )
