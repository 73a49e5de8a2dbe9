"""Agreement beyond chance between readers and the model, and between two readers: Cohen's kappa.

Both sides are reduced to two answers, pneumonia or not. A reader's *possible* and *definite* count
as pneumonia; the model's answer is taken at its version's decision threshold. Reads of images that
are not interpretable or not assessable are left out.
"""

import math
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from django.db.models import OuterRef, Q, QuerySet, Subquery

from webportal.accounts.models import User
from webportal.inference.models import Prediction
from webportal.records.choices import Purpose
from webportal.review.models import Pneumonia, Read, ReadKind, SecondReadingReason
from webportal.review.reads.standing import standing_reads

NORMAL_975 = 1.959963984540054  # the 97.5 % point of the normal distribution
NO_VARIANCE = 1e-12  # zero, up to rounding errors


@dataclass(frozen=True)
class Agreement:
    """A 2 × 2 table of two raters and the derived statistics."""

    both: int
    only_first: int
    only_second: int
    neither: int

    @property
    def count(self) -> int:
        """Number of cases rated by both."""
        return self.both + self.only_first + self.only_second + self.neither

    @property
    def observed(self) -> float | None:
        """The share of cases in which they agree."""
        return (self.both + self.neither) / self.count if self.count else None

    @property
    def kappa(self) -> float | None:
        """Cohen's kappa; None if undefined.

        J. Cohen, A coefficient of agreement for nominal scales, Educational and Psychological
        Measurement 20 (1960) 37-46. It is undefined if both raters only ever gave the same single
        answer, because chance alone then makes them agree.
        """
        expected = self._expected()
        if self.observed is None or expected is None or expected == 1.0:
            return None
        return (self.observed - expected) / (1 - expected)

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 95 % interval of kappa, kappa ± 1.96 standard errors, kept within -1 and 1.

        The large-sample standard error is that of J. L. Fleiss, J. Cohen and B. S. Everitt, Large
        sample standard errors of kappa and weighted kappa, Psychological Bulletin 72 (1969)
        323-327, equation 13. None if that error is 0, because they never disagree or one rater only
        ever gave one answer: a zero-width interval would claim certainty.
        """
        kappa, expected = self.kappa, self._expected()
        if kappa is None or expected is None:
            return None
        cells = self._shares()
        rows = [sum(row) for row in cells]
        columns = [sum(row[j] for row in cells) for j in (0, 1)]
        on_diagonal = sum(
            cells[i][i] * (1 - (rows[i] + columns[i]) * (1 - kappa)) ** 2 for i in (0, 1)
        )
        off_diagonal = (1 - kappa) ** 2 * sum(
            cells[i][1 - i] * (columns[i] + rows[1 - i]) ** 2 for i in (0, 1)
        )
        variance = on_diagonal + off_diagonal - (kappa - expected * (1 - kappa)) ** 2
        if variance < NO_VARIANCE:
            return None
        margin = NORMAL_975 * math.sqrt(variance / self.count) / (1 - expected)
        return max(-1.0, kappa - margin), min(1.0, kappa + margin)

    def _shares(self) -> list[list[float]]:
        cells = [[self.both, self.only_first], [self.only_second, self.neither]]
        return [[cell / self.count for cell in row] for row in cells]

    def _expected(self) -> float | None:
        if not self.count:
            return None
        cells = self._shares()
        rows = [sum(row) for row in cells]
        columns = [sum(row[j] for row in cells) for j in (0, 1)]
        return rows[0] * columns[0] + rows[1] * columns[1]


def tally(pairs: Iterable[tuple[bool, bool]]) -> Agreement:
    """Count pairs of answers (True for pneumonia)."""
    cells = [[0, 0], [0, 0]]
    for first, second in pairs:
        cells[not first][not second] += 1
    return Agreement(cells[0][0], cells[0][1], cells[1][0], cells[1][1])


def reads_between(since: date | None, until: date | None) -> QuerySet[Read]:
    """The standing interpretable reads of those days, each in its latest revision.

    Studies still waiting for their second reader are left out: figures of few studies could reveal
    the first read.
    """
    reads = standing_reads().filter(pneumonia__in=Pneumonia.values)
    reads = reads.exclude(study__second_reading__due=ReadKind.SECOND)
    if since is not None:
        reads = reads.filter(signed_at__date__gte=since)
    if until is not None:
        reads = reads.filter(signed_at__date__lte=until)
    return reads


def readers_against_model(reads: QuerySet[Read], reader: User | None = None) -> Agreement:
    """Agreement of readers, or of one of them, as the first rater with the model as the second.

    A read without a result, such as that of a blinded second reader, is compared with the result
    that the study's first reader saw.
    """
    if reader is not None:
        reads = reads.filter(reader=reader)
    of_first = standing_reads().filter(study=OuterRef("study"), kind=ReadKind.FIRST)
    rows = reads.annotate(of_first=Subquery(of_first.values("prediction")[:1])).values_list(
        "pneumonia", "prediction", "of_first"
    )
    answers = [(finding, own or first) for finding, own, first in rows if own or first]
    positive = _model_answers({prediction for _, prediction in answers})
    return tally(
        (_is_positive(finding), positive[prediction])
        for finding, prediction in answers
        if prediction in positive
    )


def reader_against_reader(
    reads: QuerySet[Read], reader: User | None = None, only_drawn: bool = False
) -> Agreement:
    """Agreement of first and second readers; with `reader`, of that reader with all others.

    With `only_drawn`, only studies randomly selected for a second reader: the others were selected
    because the first reader disagreed with the model, and are harder than most.
    """
    seconds = reads.filter(kind=ReadKind.SECOND)
    if only_drawn:
        seconds = seconds.filter(study__second_reading__reason=SecondReadingReason.DRAWN)
    first = standing_reads().filter(
        study=OuterRef("study"), kind=ReadKind.FIRST, pneumonia__in=Pneumonia.values
    )
    rows = seconds.annotate(
        first_finding=Subquery(first.values("pneumonia")[:1]),
        first_reader=Subquery(first.values("reader")[:1]),
    ).filter(first_finding__isnull=False)
    if reader is not None:
        rows = rows.filter(Q(reader=reader) | Q(first_reader=reader.pk))
    pairs = []
    for finding, first_finding, first_reader in rows.values_list(
        "pneumonia", "first_finding", "first_reader"
    ):
        pair = (_is_positive(first_finding), _is_positive(finding))
        # For a single reader's figures, that reader is the first rater.
        is_own_second = reader is not None and first_reader != reader.pk
        pairs.append((pair[1], pair[0]) if is_own_second else pair)
    return tally(pairs)


def _is_positive(finding: str) -> bool:
    return finding in (Pneumonia.POSSIBLE, Pneumonia.DEFINITE)


def _model_answers(ids: set[uuid.UUID]) -> dict[uuid.UUID, bool]:
    """Whether each result with a probability reaches its version's decision threshold.

    Results outside the model's purpose are excluded.
    """
    answers = Prediction.objects.filter(pk__in=ids, probability__isnull=False)
    rows = answers.exclude(purpose__in=(Purpose.OUTSIDE, Purpose.WITHHELD)).values_list(
        "pk", "probability", "model_version__thresholds"
    )
    return {pk: value >= points["decision"]["threshold"] for pk, value, points in rows}
