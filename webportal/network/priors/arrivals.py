"""What arrives because we fetch it."""

from datetime import timedelta

from django.conf import settings
from django.db.models import QuerySet

from ml.errors import ImageError
from ml.images import describe
from webportal.accounts.models import Department
from webportal.database.clock import clock
from webportal.intake.claimed_identity import Identity, differing, identity_in_header
from webportal.network.models import (
    Node,
    PriorProtocol,
    PriorRequest,
    PriorRequestState,
    PriorState,
    PriorStudy,
    ReceivedInstance,
)
from webportal.records.models import Patient

#: A retrieve of one study that takes longer is taken to have failed.
LONGEST_RETRIEVE = timedelta(minutes=10)
#: Of one study. Far more than a chest examination has.
MOST_IMAGES = 200
_TO_COME = (PriorState.WANTED, PriorState.FETCHED)


class NotWantedError(Exception):
    """An image comes because we asked for it, but is not to be kept."""


def wanted(node: Node, study_instance_uid: str) -> PriorStudy | None:
    """What we are fetching from a node under a Study Instance UID."""
    rows = PriorStudy.objects.filter(
        request__node=node, study_instance_uid=study_instance_uid, state=PriorState.WANTED
    )
    return rows.select_related("request__study__patient").order_by("pk").first()


def moved_here(node: Node, study_instance_uid: str, originator: str | None) -> PriorStudy | None:
    """What a node sends because we asked it to by C-MOVE; None if it sends the study by itself.

    Most nodes name us as the originator: the study is then never one to be read. Where none is
    named, it is ours only while we retrieve. Raises NotWantedError if it is not to be kept.
    """
    found = PriorStudy.objects.filter(request__node=node, study_instance_uid=study_instance_uid)
    found = found.select_related("request__study__patient").order_by("pk")
    asked_by = (originator or "").strip()
    if asked_by == settings.DICOM_AE_TITLE:
        to_come = {each.state: each for each in found.filter(state__in=_TO_COME)}
        prior = to_come.get(PriorState.WANTED) or to_come.get(PriorState.FETCHED)
        if prior is None:
            raise NotWantedError
        return prior
    if asked_by or not found.exists():
        return None
    retrieved = found.filter(
        request__state=PriorRequestState.WAITING,
        # Set by `record_retrieving`; after a failure there is a reason, before it no time to come.
        request__reason_code="",
        request__next_attempt_at__gt=clock(),
        request__node__prior_source__is_active=True,
        request__node__prior_source__protocol=PriorProtocol.MOVE,
    )
    prior = retrieved.filter(state=PriorState.WANTED).first()
    if prior is None and retrieved.filter(state=PriorState.REFUSED).exists():
        raise NotWantedError
    return prior


def exceeds_most_images(prior: PriorStudy, sop_instance_uid: str) -> bool:
    """Whether a study already has MOST_IMAGES other images, the most that are taken."""
    others = ReceivedInstance.objects.filter(
        node=prior.request.node_id, study_instance_uid=prior.study_instance_uid, is_prior=True
    ).exclude(sop_instance_uid=sop_instance_uid)
    return others.count() >= MOST_IMAGES


def record_retrieving(row: PriorRequest) -> None:
    """Record that images of a request come from now on, and that it is not due meanwhile."""
    row.reason_code, row.next_attempt_at = "", clock() + LONGEST_RETRIEVE
    row.save(update_fields=["reason_code", "next_attempt_at"])


def no_longer_wanted(found: QuerySet[PriorStudy]) -> None:
    """Record of those that are still to be fetched that they are not."""
    found.filter(state=PriorState.WANTED).update(
        state=PriorState.REFUSED, reason_code="", reason_params={}
    )


def department_of(node: Node, study_instance_uid: str) -> Department:
    """The department of a prior: that of the study that it is to be compared with."""
    rows = PriorStudy.objects.filter(
        request__node=node, study_instance_uid=study_instance_uid, state__in=_TO_COME
    )
    found = rows.select_related("request__study__department").order_by("request__requested_at")
    prior = found.last()
    return prior.request.study.department if prior is not None else node.department


def disagreements(patient: Patient, other: Identity) -> list[str]:
    """Names of the values by which `other` may be somebody else than our patient.

    Patient ID, issuer and date of birth have to be known and the same; name and sex may be missing.
    """
    found = differing(patient, other)
    if other.patient_id != patient.patient_id:
        found.append("PatientID")
    if other.issuer != patient.issuer:
        found.append("IssuerOfPatientID")
    if "birth_date" not in found and not (patient.birth_date and other.birth_date):
        found.append("birth_date")
    return found


def is_of_our_patient(prior: PriorStudy, data: bytes) -> bool:
    """Whether the header of an image agrees with our patient; if not, the study is refused."""
    try:
        found = disagreements(prior.request.study.patient, identity_in_header(describe(data)))
    except ImageError:
        found = ["PatientID"]
    if found:
        refuse(prior, found)
    return not found


def refuse(prior: PriorStudy, differing_fields: list[str]) -> None:
    """Record that a study may be somebody else's, and is not fetched."""
    prior.state, prior.reason_code = PriorState.REFUSED, "prior_differs"
    prior.reason_params = {"differences": differing_fields}
    prior.save()
