"""Progress of an upload batch."""

from dataclasses import dataclass

from django.db.models import Count, QuerySet

from webportal.accounts.models import User
from webportal.inference.models import Job, JobState
from webportal.intake.cases import lookup
from webportal.intake.models import IdentityMode, UploadBatch, UploadItem, Verdict
from webportal.reasons import Reason
from webportal.records.choices import ReadingState
from webportal.records.models import Study

_NAMES_SHOWN = 8


@dataclass(frozen=True)
class Failure:
    """The refused files of a batch that share a reason."""

    reason: Reason
    count: int
    file_names: list[str]

    @property
    def more(self) -> int:
        """How many names are left out."""
        return self.count - len(self.file_names)


@dataclass(frozen=True)
class BatchSummary:
    """The verdicts of a batch's files, and the states of the accepted ones' analyses."""

    accepted: int
    duplicate: int
    held: int
    refused: int
    discarded: int
    expected: int
    waiting: int
    analysed: int
    failed: int
    unidentified: int

    @property
    def received(self) -> int:
        """How many files have a verdict."""
        return self.accepted + self.duplicate + self.held + self.refused + self.discarded

    @property
    def awaited(self) -> int:
        """The total number of files as far as known: files within a ZIP are not announced."""
        return max(self.expected, self.received)

    @property
    def is_incomplete(self) -> bool:
        """Whether fewer files arrived than the sender announced."""
        return self.received < self.expected

    @property
    def to_analyse(self) -> int:
        """The number of images whose analysis counts."""
        return self.waiting + self.analysed + self.failed


def summarise(batch: UploadBatch, person: User) -> BatchSummary:
    """Count a batch's verdicts and, of its accepted images, the state of the newest job.

    Studies without an identity are counted as far as the person sees them.
    """
    verdicts = dict(batch.items.values_list("verdict").annotate(Count("pk")).order_by())
    newest_jobs = (
        Job.objects.filter(
            radiograph__upload_items__batch=batch,
            radiograph__upload_items__verdict=Verdict.ACCEPTED,
        )
        .order_by("radiograph_id", "-queued_at")
        .distinct("radiograph_id")
    )
    states = list(newest_jobs.values_list("state", flat=True))
    open_states = (JobState.QUEUED, JobState.RUNNING)
    analysed_states = (JobState.DONE, JobState.REFUSED)
    return BatchSummary(
        **{verdict.value: verdicts.get(verdict.value, 0) for verdict in Verdict},
        expected=UploadBatch.objects.values_list("expected_files", flat=True).get(pk=batch.pk),
        waiting=sum(state in open_states for state in states),
        analysed=sum(state in analysed_states for state in states),
        failed=sum(state not in (*open_states, *analysed_states) for state in states),
        unidentified=unidentified(batch, person).count(),
    )


def unidentified(batch: UploadBatch, person: User) -> QuerySet[Study]:
    """The unsigned studies with a temporary identity."""
    return (
        Study.objects.visible_to(person)
        .filter(
            radiographs__upload_items__batch=batch,
            patient__is_temporary=True,
            reading_state=ReadingState.UNREAD,
        )
        .distinct()
    )


def failures(batch: UploadBatch) -> list[Failure]:
    """Return the refused files grouped by reason, the most frequent first."""
    refused = batch.items.filter(verdict=Verdict.REFUSED)
    groups = (
        refused.values_list("reason_code", "reason_params")
        .annotate(count=Count("pk"))
        .order_by("-count", "reason_code")
    )
    return [
        Failure(
            Reason(code, params),
            count,
            _example_names(refused.filter(reason_code=code, reason_params=params)),
        )
        for code, params, count in groups
    ]


@dataclass(frozen=True)
class Missing:
    """The lines of a batch's sheet without a file."""

    count: int
    file_names: list[str]

    @property
    def more(self) -> int:
        """How many names are left out."""
        return self.count - len(self.file_names)


def lines_without_file(batch: UploadBatch) -> Missing | None:
    """Return the lines of the sheet that matched no file of the batch; None if all did."""
    if batch.identity_mode != IdentityMode.SHEET:
        return None
    arrived = batch.items.exclude(verdict=Verdict.REFUSED).values_list("file_name", flat=True)
    used = {lookup.matching_key(batch.case_records, name) for name in arrived}
    unused = [key for key in batch.case_records if key not in used]
    return Missing(len(unused), unused[:_NAMES_SHOWN]) if unused else None


def _example_names(items: QuerySet[UploadItem]) -> list[str]:
    return list(items.order_by("file_name").values_list("file_name", flat=True)[:_NAMES_SHOWN])
