"""What the study page shows."""

import uuid
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from webportal.accounts.models import Role, User
from webportal.inference.models import Job, JobState, Prediction
from webportal.inference.queue import OPEN_STATES
from webportal.inference.registry import active_model
from webportal.records.models import Priority, Radiograph, ReadingState, Study, Symptom
from webportal.review.decisions import open_choices
from webportal.review.forms import AddendumForm, ReadForm, read_form
from webportal.review.machine import Opinion, opinion
from webportal.review.models import Decision, Pneumonia, Read, ReadState
from webportal.review.progress import BY_STATE, NOTHING, Progress, latest_jobs
from webportal.review.reading import leading_prediction, signed_read
from webportal.review.viewer_page import viewer_context


@dataclass(frozen=True)
class ShownRadiograph:
    """One radiograph with the model's part in it; `number` counts from 1."""

    number: int
    radiograph: Radiograph
    prediction: Prediction | None
    job: Job | None
    progress: Progress
    opinion: Opinion | None

    @property
    def may_cancel(self) -> bool:
        """Whether its job still waits in the queue."""
        return self.job is not None and self.job.state == JobState.QUEUED

    @property
    def may_release(self) -> bool:
        """Whether its job is in quarantine."""
        return self.job is not None and self.job.state == JobState.QUARANTINED

    @property
    def may_rerun(self) -> bool:
        """Whether the model may be asked again."""
        return self.job is None or self.job.state not in [*OPEN_STATES, JobState.QUARANTINED]


@dataclass(frozen=True)
class Choice:
    """A pair of decision and finding to sign, in words."""

    value: str
    decision: str
    finding: str


def study_context(
    study: Study,
    reader: User,
    form: ReadForm | None = None,
    addendum_form: AddendumForm | None = None,
) -> dict[str, Any]:
    """Collect what the page of a study shows to a reader; forms are those sent with errors."""
    leading = leading_prediction(study)
    signed = signed_read(study)
    draft = Read.objects.filter(study=study, reader=reader, state=ReadState.DRAFT).first()
    radiographs = _shown_radiographs(study)
    first = next(
        (shown for shown in radiographs if leading and shown.prediction == leading), None
    ) or (radiographs[0] if radiographs else None)
    return {
        "study": study,
        "patient": study.patient,
        "symptoms": [Symptom(symptom).label for symptom in study.symptoms],
        "radiographs": radiographs,
        "first": first,
        "leading": leading,
        "is_open": any(shown.progress.is_open for shown in radiographs),
        "signed": signed,
        "newer_result": signed and signed.prediction and leading and signed.prediction != leading,
        "late_draft": draft if signed else None,
        "draft": draft,
        "draft_is_outdated": draft and draft.decision and draft.prediction != leading,
        "form": form or read_form(draft, leading.pk if leading else None),
        "seen": leading.pk if leading else "",
        "choices": _choices(leading),
        "addendum_form": addendum_form or _addendum_form(draft),
        "raises": [p for p in Priority if p < study.priority],
        "has_late_image": signed and study.reading_state == ReadingState.UNREAD,
        "may_edit": signed is None,
        "may_audit": reader.has_role(Role.AUDITOR),
    } | viewer_context(study, reader, first.radiograph if first else None)


def _shown_radiographs(study: Study) -> list[ShownRadiograph]:
    jobs = {job.radiograph_id: job for job in latest_jobs([study.pk])}
    predictions: dict[uuid.UUID, list[Prediction]] = defaultdict(list)
    made = Prediction.objects.filter(radiograph__study=study).select_related("model_version")
    for each in made.defer("heatmap").order_by("-is_current", "-created_at"):
        predictions[each.radiograph_id].append(each)
    active = active_model()
    shown = []
    for number, radiograph in enumerate(study.radiographs.all(), start=1):
        job, results = jobs.get(radiograph.pk), predictions[radiograph.pk]
        # Where there is any result, the first is the current one.
        prediction = results[0] if results else None
        shown.append(
            ShownRadiograph(
                number=number,
                radiograph=radiograph,
                prediction=prediction,
                job=job,
                progress=BY_STATE[job.state] if job else NOTHING,
                opinion=opinion(results, active, radiograph) if results else None,
            )
        )
    return shown


def _choices(leading: Prediction | None) -> list[Choice]:
    words = {
        Decision.CONFIRM: "Confirm",
        Decision.OVERRULE: "Overrule",
        Decision.UNAIDED: "Own read",
        Decision.NOT_INTERPRETABLE: "",
    }
    return [
        Choice(
            value=f"{decision}:{finding}",
            decision=words[decision],
            finding=str(Pneumonia(finding).label) if finding else "Image not interpretable",
        )
        for decision, finding in open_choices(leading.category if leading else "")
    ]


def _addendum_form(draft: Read | None) -> AddendumForm:
    """The form, filled with what the reader had written before somebody else signed."""
    if draft is None:
        return AddendumForm()
    finding = Pneumonia(draft.pneumonia).label if draft.pneumonia else ""
    own_read = f"My own read: {finding}." if finding else ""
    return AddendumForm(initial={"text": "\n".join(filter(None, [own_read, draft.comment]))})
