"""Progress of a study's analysis, in words."""

import uuid
from collections.abc import Collection
from dataclasses import dataclass

from django.db.models import Exists, OuterRef, Q
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy

from webportal.inference.models import Job, JobState
from webportal.inference.pauses import paused_priorities
from webportal.inference.queue import OPEN_STATES, awaiting_release
from webportal.records.choices import ReadingState
from webportal.records.models import Study


@dataclass(frozen=True)
class Progress:
    """A state and what happens next, as text; `is_open` while a worker will still process it."""

    state: str
    label: str | Promise
    next_step: str | Promise

    @property
    def is_open(self) -> bool:
        """Whether a result is still expected."""
        return self.state in (JobState.RUNNING, JobState.QUEUED)


# Worst first: the first one that applies to any of a study's radiographs applies to the study.
STATES = [
    Progress(
        JobState.QUARANTINED,
        gettext_lazy("Model failed"),
        gettext_lazy(
            "The model could not analyse this image. Read it without the model, or queue it again."
        ),
    ),
    Progress(
        JobState.RUNNING,
        gettext_lazy("Being analysed"),
        gettext_lazy("The result will appear here in a moment."),
    ),
    Progress(
        JobState.QUEUED,
        gettext_lazy("Queued"),
        gettext_lazy("A worker takes the most urgent images first; the result will appear here."),
    ),
    Progress(
        JobState.CANCELLED,
        gettext_lazy("Analysis cancelled"),
        gettext_lazy(
            "This image will not be analysed. Read it without the model, or queue it again."
        ),
    ),
    Progress(JobState.REFUSED, gettext_lazy("Not assessable"), ""),
    Progress(JobState.DONE, gettext_lazy("Analysed"), ""),
]
BY_STATE = {progress.state: progress for progress in STATES}
NOTHING = Progress(
    "",
    gettext_lazy("Not in the queue"),
    gettext_lazy(
        "No analysis of this image was requested. Queue it, or read it without the model."
    ),
)

NOT_ANALYSED = Progress(
    "",
    gettext_lazy("Not analysed"),
    gettext_lazy("Prior studies that are here for comparison are not analysed."),
)

# In place of *Queued* while hospital IT has paused the priority of the job.
PAUSED = Progress(
    JobState.QUEUED,
    gettext_lazy("Queued"),
    gettext_lazy(
        "Hospital IT has paused the analysis of such images for now. It will continue without any"
        " action of yours; read the image without the model if it cannot wait."
    ),
)

# For a study that has to be read blind to the model.
HIDDEN = Progress(
    "hidden",
    gettext_lazy("Hidden while you read"),
    gettext_lazy("You read it without the model, whose result is shown once you have signed."),
)


def latest_jobs(study_ids: Collection[uuid.UUID]) -> list[Job]:
    """The latest job of each radiograph of the studies."""
    return list(
        Job.objects.filter(radiograph__study__in=study_ids)
        .select_related("radiograph")
        .order_by("radiograph_id", "-queued_at")
        .distinct("radiograph_id")
    )


def progress_without_job(study: Study) -> Progress:
    """What there is to say of a study, or an image of it, that was never queued."""
    return NOT_ANALYSED if study.reading_state == ReadingState.PRIOR else NOTHING


def progress_of_job(job: Job, paused: Collection[int]) -> Progress:
    """The progress of one job, given the priorities that are paused."""
    is_paused = job.state == JobState.QUEUED and job.priority in paused
    return PAUSED if is_paused else BY_STATE[job.state]


def progress_of(study_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, Progress]:
    """The progress of each study that has a job."""
    rank = {progress.state: number for number, progress in enumerate(STATES)}
    worst: dict[uuid.UUID, Job] = {}
    for job in latest_jobs(study_ids):
        study_id = job.radiograph.study_id
        if study_id not in worst or rank[job.state] < rank[worst[study_id].state]:
            worst[study_id] = job
    paused = paused_priorities()
    return {study_id: progress_of_job(job, paused) for study_id, job in worst.items()}


def in_state(state: str) -> Q:
    """Filter for studies with a radiograph in this queue state."""
    if state == JobState.QUARANTINED:
        jobs = awaiting_release()
    elif state in OPEN_STATES:
        # An open job is its image's latest: no other is created meanwhile.
        jobs = Job.objects.filter(state=state)
    else:
        later = Job.objects.filter(
            radiograph=OuterRef("radiograph"), queued_at__gt=OuterRef("queued_at")
        )
        jobs = Job.objects.filter(~Exists(later), state=state)
    return Q(Exists(jobs.filter(study=OuterRef("pk"))))
