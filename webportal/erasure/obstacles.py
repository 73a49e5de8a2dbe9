"""Obstacles to an erasure, as codes of OBSTACLES in `messages`."""

from django.db.models import Q
from django.utils import timezone

from webportal.erasure.plan import Plan
from webportal.inference.models import Job, JobState
from webportal.intake.models import UploadItem
from webportal.network.models import InboxState, ReceivedInstance
from webportal.records.choices import ReadingState
from webportal.records.models import EmergencyAccess, Study
from webportal.retention.holds import open_holds
from webportal.review.models import Reservation, SecondReading


def obstacles(plan: Plan) -> list[str]:
    """Codes of all obstacles, those that take longest to resolve first."""
    studies = plan.studies
    owners = {plan.patient.pk} if plan.patient else set()
    owners |= {study.patient_id for study in Study.objects.filter(pk__in=studies)}
    received = ReceivedInstance.objects.filter(pk__in=plan.rows.get(ReceivedInstance, ()))
    found = {
        "hold": open_holds().filter(Q(study__in=studies) | Q(patient__in=owners)),
        "unread": Study.objects.filter(pk__in=studies, reading_state=ReadingState.UNREAD),
        "second_read": SecondReading.objects.filter(study__in=studies).exclude(due=""),
        "being_read": Reservation.objects.filter(study__in=studies, expires_at__gt=timezone.now()),
        "job": Job.objects.filter(study__in=studies, state__in=[JobState.QUEUED, JobState.RUNNING]),
        "emergency": EmergencyAccess.objects.filter(patient__in=owners, outcome=""),
        "arriving": received.filter(state=InboxState.WAITING),
        "held_files": UploadItem.objects.filter(pk__in=plan.undecided),
    }
    return [code for code, rows in found.items() if rows.exists()]
