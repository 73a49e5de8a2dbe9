"""Another version in shadow mode: its network is loaded beside the active one's, in a thread.

It works on one batch at a time, and only while the engine is idle and no image waits. The engine
never waits for it: an image that arrives meanwhile shares the device with that one batch. Whatever
goes wrong here is logged and counted, and never ends the process.
"""

import gc
import logging
import threading
import time
from collections.abc import Callable, Mapping

import numpy as np
from django.conf import settings
from django.db import DataError, IntegrityError, connection

from ml.errors import ImageError
from ml.serving.predictor import Predictor
from webportal.backoff import pause_seconds
from webportal.inference.registry import verified_package
from webportal.oversight.models import Shadow
from webportal.oversight.shadow.work import (
    ShadowAnswer,
    ShadowImage,
    begin_loading,
    give_back,
    has_died_loading,
    is_free,
    record,
    record_failing,
    record_loading,
    running_shadow,
    take,
    waits,
)
from webportal.storage import StorageAwayError
from workers.engine import Engine
from workers.loading import load_input

logger = logging.getLogger(__name__)

# After an error it pauses, twice as long each time: the next attempt may fail, too.
_FIRST_RETRY_SECONDS = 30.0
_LONGEST_RETRY_SECONDS = 1800.0
# A process whose predecessor died while loading the version first serves live images for a while.
_PAUSE_SECONDS = 300.0


class Shadowing:
    """The work of one worker process on the running trial.

    Args:
        engine: has precedence over the trial.
        is_stopping: whether the worker is shutting down.
    """

    def __init__(self, engine: Engine, is_stopping: Callable[[], bool]) -> None:
        self._engine = engine
        self._is_stopping = is_stopping
        self._shadow: Shadow | None = None
        self._predictor: Predictor | None = None
        self._failed: Shadow | None = None
        self._holds = False
        # The trial that was last tried, its failures in a row, and when to try it again.
        self._tried: Shadow | None = None
        self._failures = 0
        self._retry_at = 0.0
        self._thread: threading.Thread | None = None
        # Set in the predicting process: this object is created before the fork.
        self._begun: float | None = None

    def look(self) -> None:
        """Start working if there is anything to do; called at intervals."""
        if self._begun is None:
            self._begun = time.monotonic()
        if self._thread is not None and self._thread.is_alive():
            return
        shadow = running_shadow()
        if self._holds:
            give_back(self._engine.worker)
            self._holds = False
            # A single error may come from a database that was restarted. If another trial runs by
            # now, it did not cause the errors.
            if self._failures > 1 and shadow is not None and shadow == self._tried:
                record_failing(shadow, self._engine.worker, failing=True)
        if shadow != self._tried:
            self._tried, self._failures, self._retry_at = shadow, 0, 0.0
        if shadow is None:
            self._unload()
        elif time.monotonic() < self._retry_at:
            return
        elif (
            shadow != self._failed
            and self._is_idle()
            and waits(shadow)
            and not self._pauses(shadow)
        ):
            self._thread = threading.Thread(target=self._work, daemon=True, name="shadow")
            self._thread.start()

    def _pauses(self, shadow: Shadow) -> bool:
        is_new = self._begun is None or time.monotonic() - self._begun < _PAUSE_SECONDS
        return is_new and has_died_loading(shadow, self._engine.worker)

    def _is_idle(self) -> bool:
        return self._engine.idle_seconds > 0 and is_free(self._engine.worker)

    def _work(self) -> None:
        try:
            while not self._is_stopping() and self._is_idle() and self._do_batch():
                self._failures = 0
        except Exception:
            self._failures += 1
            pause = pause_seconds(
                self._failures, first=_FIRST_RETRY_SECONDS, longest=_LONGEST_RETRY_SECONDS
            )
            logger.exception("Working in shadow mode failed; trying again in %.1f s", pause)
            self._retry_at = time.monotonic() + pause
            # Given back once the database answers: the worker has not died.
            self._holds = True
        finally:
            connection.close()

    def _do_batch(self) -> bool:
        """Assess the next images of the trial; return whether there were any."""
        shadow = running_shadow()
        if shadow is None or not self._load(shadow):
            return False
        images = take(shadow, self._engine.worker, settings.INFERENCE_BATCH_SIZE)
        if not images:
            return False
        try:
            answers = self._assess(images)
        except StorageAwayError:
            give_back(self._engine.worker)
            return False
        self._record(answers)
        if shadow.failing == self._engine.worker:
            record_failing(shadow, self._engine.worker, failing=False)
        return True

    def _record(self, answers: Mapping[int, ShadowAnswer]) -> None:
        """Store the results of a batch, or one by one if the database rejects one of them."""
        try:
            self._engine.persist(lambda: record(self._engine.worker, answers))
        except (IntegrityError, DataError) as error:
            kind = type(error).__name__
            logger.error("The database refuses %d answers of the shadow: %s", len(answers), kind)
            if len(answers) > 1:
                for key, answer in answers.items():
                    self._record({key: answer})
                return
            refused = dict.fromkeys(answers, ShadowAnswer(failure="result_refused"))
            self._engine.persist(lambda: record(self._engine.worker, refused))

    # ── The second network ──────────────────────────────────────────────────────────────────────

    def _load(self, shadow: Shadow) -> bool:
        """Load the version unless it is loaded; return whether it is.

        A failure is not retried until the worker restarts or another trial begins. If loading kills
        the process, the image held meanwhile counts as a lost batch.
        """
        if self._shadow == shadow:
            return True
        self._unload()
        if not begin_loading(shadow, self._engine.worker):
            return False
        try:
            package = verified_package(shadow.model_version)
            self._predictor = Predictor(
                package,
                settings.INFERENCE_BATCH_SIZE,
                device=settings.INFERENCE_DEVICE,
                runtime=settings.INFERENCE_RUNTIME,
            )
        except Exception:
            logger.exception("Model %s cannot be run in shadow mode", shadow.model_version.version)
            self._failed = shadow
            give_back(self._engine.worker)
            record_loading(shadow, self._engine.worker, failed=True)
            return False
        self._shadow = shadow
        give_back(self._engine.worker)
        record_loading(shadow, self._engine.worker, failed=False)
        logger.info("Model %s runs in shadow mode", shadow.model_version.version)
        return True

    def _unload(self) -> None:
        if self._predictor is not None:
            self._predictor = self._shadow = None
            gc.collect()

    # ── Assessing ───────────────────────────────────────────────────────────────────────────────

    def _assess(self, images: list[ShadowImage]) -> dict[int, ShadowAnswer]:
        assert self._predictor is not None
        size = self._predictor.package.input_size
        answers: dict[int, ShadowAnswer] = {}
        loaded: list[tuple[int, np.ndarray]] = []
        for image in images:
            try:
                loaded.append((image.id, load_input(image.dicom_key, image.dicom_sha256, size)))
            except StorageAwayError:
                raise
            except ImageError as error:
                answers[image.id] = ShadowAnswer(failure=error.code)
            except Exception as error:
                # The message may quote the file, and so patient data.
                kind = type(error).__name__
                logger.error("Reading an image for the shadow raised %s", kind)
                answers[image.id] = ShadowAnswer(failure="unreadable")
        return answers | self._predict(loaded)

    def _predict(self, loaded: list[tuple[int, np.ndarray]]) -> dict[int, ShadowAnswer]:
        """Predict the batch, or image by image if that fails."""
        assert self._predictor is not None
        if not loaded:
            return {}
        try:
            assessments = self._predictor.predict(np.stack([pixels for _, pixels in loaded]))
        except Exception as error:
            logger.error("Predicting in shadow mode raised %s", type(error).__name__)
            if len(loaded) == 1:
                return {loaded[0][0]: ShadowAnswer(failure="prediction_failed")}
            return {key: answer for each in loaded for key, answer in self._predict([each]).items()}
        return {
            key: ShadowAnswer(found.category, found.probability, found.reason_code)
            for (key, _), found in zip(loaded, assessments, strict=True)
        }
