"""Context of the study page."""

import uuid
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from webportal.accounts.models import Role, User
from webportal.inference.models import Job, JobState, Prediction
from webportal.inference.pauses import paused_priorities
from webportal.inference.queue import OPEN_STATES
from webportal.inference.registry import active_model
from webportal.intake.file_names import file_names
from webportal.labels import label_of
from webportal.orders.display import order_context
from webportal.records.choices import Priority, ReadingState, Symptom
from webportal.records.models import Radiograph, Study
from webportal.records.searches import stated_ages
from webportal.review.reads.viewing import images_not_viewed
from webportal.review.study.forms import AddendumForm, ReadForm
from webportal.review.study.model_result import Opinion, opinion
from webportal.review.study.progress import (
    HIDDEN,
    Progress,
    latest_jobs,
    progress_of_job,
    progress_without_job,
)
from webportal.review.study.reading_panel import reading_panel
from webportal.review.study.viewer_data import viewer_context


@dataclass(frozen=True)
class ShownRadiograph:
    """One radiograph with its model result; `number` counts from 1."""

    number: int
    radiograph: Radiograph
    prediction: Prediction | None
    job: Job | None
    progress: Progress
    opinion: Opinion | None
    was_viewed: bool

    @property
    def may_cancel(self) -> bool:
        """Whether its job is still queued."""
        return self.job is not None and self.job.state == JobState.QUEUED

    @property
    def may_release(self) -> bool:
        """Whether its job is in quarantine."""
        return self.job is not None and self.job.state == JobState.QUARANTINED

    @property
    def may_rerun(self) -> bool:
        """Whether the model may be asked again."""
        if self.progress == HIDDEN or self.radiograph.study.reading_state == ReadingState.PRIOR:
            return False
        return self.job is None or self.job.state not in [*OPEN_STATES, JobState.QUARANTINED]


def study_context(
    study: Study,
    reader: User,
    form: ReadForm | None = None,
    addendum_form: AddendumForm | None = None,
    *,
    amends: bool = False,
    pin_is_open: bool = False,
    results_are_open: bool = False,
) -> dict[str, Any]:
    """Build the context of the study page for a reader; forms are those submitted with errors.

    With `amends` the reader is amending their own signed read. `results_are_open` means that a
    reader who reads first has opened the results of other unread studies.
    """
    panel = reading_panel(
        study, reader, form, addendum_form, amends=amends, pin_is_open=pin_is_open
    )
    leading = panel.leading
    radiographs = _shown_radiographs(study, reader, panel.hides_result)
    first = next(
        (shown for shown in radiographs if leading and shown.prediction == leading), None
    ) or (radiographs[0] if radiographs else None)
    return (
        vars(panel)
        | {
            "study": study,
            "patient": study.patient,
            "series": study.series.all(),
            "symptoms": [label_of(Symptom, symptom) for symptom in study.symptoms],
            "radiographs": radiographs,
            "first": first,
            "patient_age": stated_ages([study.pk]).get(study.pk, ""),
            "is_open": any(shown.progress.is_open for shown in radiographs),
            "raises": [p for p in Priority if p < study.priority],
            "files": file_names([study.pk]).get(study.pk, []) if study.patient.is_temporary else [],
            "may_audit": reader.has_role(Role.AUDITOR),
        }
        | order_context(study, reader)
        | viewer_context(
            study,
            reader,
            first.radiograph if first else None,
            may_mark=panel.shows_form,
            amended=panel.amended,
            results_are_open=results_are_open,
        )
    )


def _shown_radiographs(study: Study, reader: User, hides_result: bool) -> list[ShownRadiograph]:
    not_viewed = {radiograph.pk for radiograph in images_not_viewed(study, reader)}
    if hides_result:
        return [
            ShownRadiograph(
                number, radiograph, None, None, HIDDEN, None, radiograph.pk not in not_viewed
            )
            for number, radiograph in enumerate(study.radiographs.all(), start=1)
        ]
    jobs = {job.radiograph_id: job for job in latest_jobs([study.pk])}
    predictions: dict[uuid.UUID, list[Prediction]] = defaultdict(list)
    made = Prediction.objects.filter(radiograph__study=study).select_related("model_version")
    for each in made.defer("heatmap").order_by("-is_current", "-created_at"):
        predictions[each.radiograph_id].append(each)
    active, paused = active_model(), paused_priorities()
    nothing = progress_without_job(study)
    shown = []
    for number, radiograph in enumerate(study.radiographs.all(), start=1):
        job, results = jobs.get(radiograph.pk), predictions[radiograph.pk]
        # If there is any result, the first is the current one.
        prediction = results[0] if results else None
        shown.append(
            ShownRadiograph(
                number=number,
                radiograph=radiograph,
                prediction=prediction,
                job=job,
                progress=progress_of_job(job, paused) if job else nothing,
                opinion=opinion(results, active) if results else None,
                was_viewed=radiograph.pk not in not_viewed,
            )
        )
    return shown
