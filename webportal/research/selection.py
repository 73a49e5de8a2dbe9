"""Which studies an export contains."""

from datetime import date, datetime, time, timedelta

from django.db.models import QuerySet
from django.utils import timezone

from webportal.accounts.models import User
from webportal.records.choices import ReadingState
from webportal.records.models import Study
from webportal.research.models import ResearchExport
from webportal.review.models import ReadKind
from webportal.review.reads.blinding import withheld_results
from webportal.review.reads.second_reading import may_read_blind


def selected(export: ResearchExport, person: User) -> QuerySet[Study]:
    """The studies that the export's criteria select, in the person's departments.

    Without phantoms, without priors, which were fetched only for comparison, and without studies
    whose results or reads the person must not see yet: being selected would reveal them.
    """
    studies = Study.objects.in_departments_of(person).filter(is_phantom=False)
    studies = studies.exclude(reading_state=ReadingState.PRIOR)
    studies = studies.exclude(withheld_results(person, is_open=False))
    if may_read_blind(person):
        studies = studies.exclude(second_reading__due=ReadKind.SECOND)
    if export.since:
        studies = studies.filter(performed_at__gte=_midnight(export.since))
    if export.until:
        studies = studies.filter(performed_at__lt=_midnight(export.until + timedelta(days=1)))
    if export.department_id:
        studies = studies.filter(department=export.department_id)
    if export.category:
        studies = studies.filter(category=export.category)
    if export.signed_only:
        studies = studies.filter(reading_state=ReadingState.SIGNED)
    return studies


def _midnight(day: date) -> datetime:
    return timezone.make_aware(datetime.combine(day, time.min))
