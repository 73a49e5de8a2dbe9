"""The figures of a trial so far: agreement, scores, gate, and both versions against the readers.

Only figures, no studies: hospital IT sees no patients. Reads count as on the agreement page, so
that no figure reveals a first read while a second one is due.
"""

import uuid
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from webportal.inference.models import ModelVersion
from webportal.oversight.models import Shadow, ShadowResult, ShadowState
from webportal.oversight.statistics import (
    Estimate,
    Interval,
    PairedAuroc,
    mean_difference,
    paired_auroc,
    wilson,
)
from webportal.records.choices import Category, Purpose
from webportal.review.models import Pneumonia, ReadKind
from webportal.review.reads.second_reading import READ_ORDER
from webportal.review.reads.standing import may_be_taken_back
from webportal.review.reports.agreement import Agreement, reads_between, tally

#: The newest results are compared; more would take seconds.
MOST_IMAGES = 20_000
#: With fewer studies of a class, an area under the curve means nothing.
LEAST_OF_A_CLASS = 10
BINS = 20
CATEGORIES = (
    Category.LIKELY,
    Category.INDETERMINATE,
    Category.UNLIKELY,
    Category.NOT_ASSESSABLE,
)


@dataclass(frozen=True)
class Pair:
    """An image that both versions have assessed; a probability is None if not assessable."""

    study: uuid.UUID
    patient: uuid.UUID
    active: str
    active_score: float | None
    shadow: str
    shadow_score: float | None

    @property
    def is_scored(self) -> bool:
        """Whether both have a score."""
        return self.active_score is not None and self.shadow_score is not None


@dataclass(frozen=True)
class Share:
    """A count out of a total, with the 95 % interval of the share."""

    count: int
    of: int

    @property
    def share(self) -> float:
        """The share; 0 of nothing."""
        return self.count / self.of if self.of else 0.0

    @property
    def interval(self) -> Interval:
        """Wilson's interval; from 0 to 1 if the total is 0."""
        return wilson(self.count, self.of) if self.of else (0.0, 1.0)


@dataclass(frozen=True)
class AgainstReads:
    """Both versions against signed reads; `areas` is None if a class has too few studies."""

    positive: int
    negative: int
    areas: PairedAuroc | None


class TrialComparison:
    """The figures of one trial."""

    def __init__(self, shadow: Shadow) -> None:
        self.shadow = shadow
        self.pairs = _pairs(shadow)
        self._scored = [pair for pair in self.pairs if pair.is_scored]
        counts = Counter(shadow.results.values_list("state", flat=True))
        self.done = counts[ShadowState.DONE]
        self.waiting = counts[ShadowState.WAITING] + counts[ShadowState.RUNNING]
        self.failed = counts[ShadowState.FAILED]

    @property
    def is_cut(self) -> bool:
        """Whether only the newest results are compared."""
        return self.done > len(self.pairs) >= MOST_IMAGES

    @cached_property
    def answers(self) -> Agreement:
        """Yes or no by each version, at its own decision threshold; the active version is first."""
        active, shadow = (
            _decision(each) for each in (self.shadow.beside, self.shadow.model_version)
        )
        return tally(
            ((pair.active_score or 0) >= active, (pair.shadow_score or 0) >= shadow)
            for pair in self._scored
        )

    @property
    def agreement(self) -> Share:
        """The images for which both versions give the same answer."""
        answers = self.answers
        return Share(answers.both + answers.neither, answers.count)

    @property
    def gate(self) -> Share:
        """The images that only one of the versions assesses."""
        differs = sum(
            (pair.active_score is None) != (pair.shadow_score is None) for pair in self.pairs
        )
        return Share(differs, len(self.pairs))

    @cached_property
    def categories(self) -> list[tuple[str, list[int]]]:
        """Counts by category: a row for each of the active version, a column of the other."""
        counts = Counter((pair.active, pair.shadow) for pair in self.pairs)
        return [
            (str(row.label), [counts[row.value, column.value] for column in CATEGORIES])
            for row in CATEGORIES
        ]

    @cached_property
    def shift(self) -> Estimate | None:
        """By how much the scores on trial are higher on average; None if there are none."""
        if not self._scored:
            return None
        active, shadow = _scores(self._scored)
        return mean_difference(active, shadow, _numbered([pair.patient for pair in self._scored]))

    @cached_property
    def histograms(self) -> tuple[list[int], list[int]]:
        """How many scores of each version lie in each of BINS equal bins from 0 to 1."""
        active, shadow = (
            np.histogram(scores, BINS, (0.0, 1.0))[0].tolist() for scores in _scores(self._scored)
        )
        return active, shadow

    @cached_property
    def against_reads(self) -> AgainstReads:
        """Both against the deciding reads of the studies."""
        return self._against(unaided=False)

    @cached_property
    def against_unaided_reads(self) -> AgainstReads:
        """Both against the reads of those who had seen no result when they signed."""
        return self._against(unaided=True)

    def _against(self, *, unaided: bool) -> AgainstReads:
        truth = _findings({pair.study for pair in self._scored}, unaided=unaided)
        patients: dict[uuid.UUID, uuid.UUID] = {}
        active: dict[uuid.UUID, float] = {}
        shadow: dict[uuid.UUID, float] = {}
        for pair in self._scored:
            if pair.study in truth:
                patients[pair.study] = pair.patient
                active[pair.study] = max(active.get(pair.study, 0.0), pair.active_score or 0.0)
                shadow[pair.study] = max(shadow.get(pair.study, 0.0), pair.shadow_score or 0.0)
        studies = list(patients)
        is_positive = np.array([truth[study] for study in studies], bool)
        positive = int(is_positive.sum())
        negative = len(studies) - positive
        if min(positive, negative) < LEAST_OF_A_CLASS:
            return AgainstReads(positive, negative, None)
        areas = paired_auroc(
            np.array([active[study] for study in studies]),
            np.array([shadow[study] for study in studies]),
            is_positive,
            _numbered(list(patients.values())),
        )
        return AgainstReads(positive, negative, areas)


def _pairs(shadow: Shadow) -> list[Pair]:
    done = ShadowResult.objects.filter(
        shadow=shadow,
        state=ShadowState.DONE,
        # A corrected birth date may since have put it outside.
        prediction__purpose__in=[Purpose.WITHIN, Purpose.UNCONFIRMED],
    )
    rows: Iterable[Any] = done.order_by("-id").values_list(
        "radiograph__study",
        "radiograph__study__patient",
        "prediction__category",
        "prediction__probability",
        "category",
        "probability",
    )[:MOST_IMAGES]
    return [Pair(*row) for row in rows]


def _findings(studies: set[uuid.UUID], *, unaided: bool) -> dict[uuid.UUID, bool]:
    """Whether the deciding read of each study that has one found pneumonia."""
    reads = reads_between(None, None).exclude(may_be_taken_back()).filter(study__in=studies)
    if unaided:
        reads = reads.filter(prediction=None)
    rows = sorted(
        reads.values_list("study", "kind", "pneumonia"),
        key=lambda row: READ_ORDER.index(ReadKind(row[1])),
    )
    return {study: finding != Pneumonia.NONE for study, _, finding in rows}


def _decision(model: ModelVersion) -> float:
    threshold: float = model.thresholds["decision"]["threshold"]
    return threshold


def _scores(pairs: Sequence[Pair]) -> tuple["np.ndarray", "np.ndarray"]:
    return (
        np.array([pair.active_score for pair in pairs], float),
        np.array([pair.shadow_score for pair in pairs], float),
    )


def _numbered(keys: Sequence[uuid.UUID]) -> "np.ndarray":
    """Number the keys from 0, equal ones alike."""
    numbers: dict[uuid.UUID, int] = {}
    return np.array([numbers.setdefault(key, len(numbers)) for key in keys], np.intp)
