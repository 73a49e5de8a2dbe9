"""What arrives because we fetch it."""

from django.conf import settings

from ml.images import ImageError, describe
from webportal.accounts.models import Department
from webportal.intake.claimed_identity import Identity, differing, identity_in_header
from webportal.network.models import Node, PriorProtocol, PriorState, PriorStudy
from webportal.records.models import Patient


def wanted(node: Node, study_instance_uid: str) -> PriorStudy | None:
    """What we are fetching from a node under a Study Instance UID."""
    rows = PriorStudy.objects.filter(
        request__node=node, study_instance_uid=study_instance_uid, state=PriorState.WANTED
    )
    return rows.select_related("request__study__patient").order_by("pk").first()


def moved_here(node: Node, study_instance_uid: str, originator: str | None) -> PriorStudy | None:
    """What a node sends because we asked it to by C-MOVE; many nodes say that it was we."""
    if originator and originator.strip() != settings.DICOM_AE_TITLE:
        return None
    prior = wanted(node, study_instance_uid)
    if prior is None or node.prior_source.protocol != PriorProtocol.MOVE:
        return None
    return prior


def department_of(node: Node, study_instance_uid: str) -> Department:
    """The department of a prior: that of the study that it is to be compared with."""
    rows = PriorStudy.objects.filter(request__node=node, study_instance_uid=study_instance_uid)
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
