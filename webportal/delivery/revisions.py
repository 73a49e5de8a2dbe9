"""Revisions of documents whose cautions are out of date.

Apart from what makes documents, because the portal answers DICOMweb requests without its libraries.
"""

from collections.abc import Sequence

from django.db.models import Max

from webportal.database.clock import clock
from webportal.delivery.models import Document, DocumentKind
from webportal.inference.models import Prediction
from webportal.records.models import Study


def revision_with_cautions(
    study: Study, results: Sequence[Prediction], kinds: Sequence[DocumentKind], least: int
) -> int:
    """The first revision, from `least` on, that has no outdated cautions of the results."""
    rejudged = [each.rejudged_at for each in results if each.rejudged_at is not None]
    # A clock that was set back must not make each document outdated as soon as it is made.
    past = [at for at in rejudged if at <= clock()]
    if not past:
        return least
    outdated = Document.objects.filter(
        study=study,
        prediction=results[-1],
        kind__in=kinds,
        revision__gte=least,
        made_at__lt=max(past),
    )
    last = outdated.aggregate(last=Max("revision"))["last"]
    return least if last is None else last + 1
