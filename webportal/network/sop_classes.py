"""The SOP classes and transfer syntaxes that are negotiated."""

from django.conf import settings
from pydicom import uid

from ml.images.dicom import SOP_CLASSES
from ml.images.parsing import TRANSFER_SYNTAXES

VERIFICATION = uid.UID("1.2.840.10008.1.1")
WORKLIST = uid.UID("1.2.840.10008.5.1.4.31")
COMMITMENT = uid.UID("1.2.840.10008.1.20.1")

#: Query and retrieve, in the Study Root model.
FIND = uid.UID("1.2.840.10008.5.1.4.1.2.2.1")
MOVE = uid.UID("1.2.840.10008.5.1.4.1.2.2.2")
GET = uid.UID("1.2.840.10008.5.1.4.1.2.2.3")
QUERIES = (FIND, MOVE, GET)

#: Images, in every transfer syntax that intake reads.
IMAGES: tuple[uid.UID, ...] = tuple(sorted(SOP_CLASSES))
IMAGE_SYNTAXES: tuple[uid.UID, ...] = tuple(sorted(TRANSFER_SYNTAXES))

#: Non-image objects that accompany the images of a study (DICOM_OTHER_OBJECTS).
OTHERS: tuple[uid.UID, ...] = (
    uid.BasicTextSRStorage,
    uid.EnhancedSRStorage,
    uid.ComprehensiveSRStorage,
    uid.Comprehensive3DSRStorage,
    uid.ChestCADSRStorage,
    uid.XRayRadiationDoseSRStorage,
    uid.KeyObjectSelectionDocumentStorage,
    uid.GrayscaleSoftcopyPresentationStateStorage,
    uid.ColorSoftcopyPresentationStateStorage,
)
#: Objects that are sent to destinations (webportal.delivery).
DOCUMENTS: tuple[uid.UID, ...] = (
    uid.ComprehensiveSRStorage,
    uid.KeyObjectSelectionDocumentStorage,
    uid.GrayscaleSoftcopyPresentationStateStorage,
)
CAPTURE = uid.SecondaryCaptureImageStorage
PLAIN_SYNTAXES: tuple[uid.UID, ...] = (uid.ExplicitVRLittleEndian, uid.ImplicitVRLittleEndian)


def offered() -> list[tuple[uid.UID, tuple[uid.UID, ...]]]:
    """Every SOP class accepted under the current settings, with its transfer syntaxes."""
    contexts = [(each, PLAIN_SYNTAXES) for each in (VERIFICATION, COMMITMENT)]
    contexts += [(each, IMAGE_SYNTAXES) for each in IMAGES]
    if settings.DICOM_OTHER_OBJECTS == "keep":
        contexts += [(each, PLAIN_SYNTAXES) for each in OTHERS]
    return contexts


def name_of(sop_class_uid: str) -> str:
    """The standard's name of a SOP class or transfer syntax, else the UID."""
    return str(uid.UID(sop_class_uid).name)
