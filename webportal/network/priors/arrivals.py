"""Instances that arrive because we retrieve them."""

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

#: A retrieval of one study that takes longer is considered failed.
LONGEST_RETRIEVE = timedelta(minutes=10)
#: Images of one study: far more than a chest examination has.
MOST_IMAGES = 200
_TO_COME = (PriorState.WANTED, PriorState.FETCHED)


class NotWantedError(Exception):
    """An image that was sent to us at our request must not be kept."""


def wanted(node: Node, study_instance_uid: str) -> PriorStudy | None:
    """The study that we are retrieving from a node under a Study Instance UID, if any."""
    rows = PriorStudy.objects.filter(
        request__node=node, study_instance_uid=study_instance_uid, state=PriorState.WANTED
    )
    return rows.select_related("request__study__patient").order_by("pk").first()


def prior_being_moved(
    node: Node, study_instance_uid: str, originator: str | None
) -> PriorStudy | None:
    """The study that a node sends in response to our C-MOVE; None if it sends it on its own.

    Most nodes name us as the Move Originator: such a study is never one to be read. Where none is
    named, it counts as ours only while we retrieve it. Raises NotWantedError if not to be kept.
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
        # Set by `record_retrieving`; a failed attempt has a reason, and a new one no future time.
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
    """Whether a study already has MOST_IMAGES other images, and no more are accepted."""
    others = ReceivedInstance.objects.filter(
        node=prior.request.node_id, study_instance_uid=prior.study_instance_uid, is_prior=True
    ).exclude(sop_instance_uid=sop_instance_uid)
    return others.count() >= MOST_IMAGES


def record_retrieving(row: PriorRequest) -> None:
    """Record that images of a request are being retrieved, and that it is not due meanwhile."""
    row.reason_code, row.next_attempt_at = "", clock() + LONGEST_RETRIEVE
    row.save(update_fields=["reason_code", "next_attempt_at"])


def mark_unwanted(found: QuerySet[PriorStudy]) -> None:
    """Mark those that are still to be fetched as no longer wanted."""
    found.filter(state=PriorState.WANTED).update(
        state=PriorState.REFUSED, reason_code="", reason_params={}
    )


def department_of(node: Node, study_instance_uid: str) -> Department:
    """The department of a prior: that of the study with which it is to be compared."""
    rows = PriorStudy.objects.filter(
        request__node=node, study_instance_uid=study_instance_uid, state__in=_TO_COME
    )
    found = rows.select_related("request__study__department").order_by("request__requested_at")
    prior = found.last()
    return prior.request.study.department if prior is not None else node.department


def disagreements(patient: Patient, other: Identity) -> list[str]:
    """Names of the fields in which `other` differs from our patient, and may be somebody else.

    Patient ID, issuer and birth date must be known and equal; name and sex may be missing.
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
    """Whether an image's header agrees with our patient; if not, the study is refused."""
    try:
        found = disagreements(prior.request.study.patient, identity_in_header(describe(data)))
    except ImageError:
        found = ["PatientID"]
    if found:
        refuse(prior, found)
    return not found


def refuse(prior: PriorStudy, differing_fields: list[str]) -> None:
    """Record that a study may be somebody else's, and is not retrieved."""
    prior.state, prior.reason_code = PriorState.REFUSED, "prior_differs"
    prior.reason_params = {"differences": differing_fields}
    prior.save()
