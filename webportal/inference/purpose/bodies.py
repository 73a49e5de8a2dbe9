"""Body part of an image, from every header element that names one.

These are Body Part Examined (0018,0015), whose terms are those of PS3.16 Annex L or anything else,
Anatomic Region Sequence (0008,2218), and the codes of procedure and protocol, whose meanings are
mostly a hospital's own words.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from webportal.inference.purpose.header_words import parted, tokens, word_set


class Region(Enum):
    """The body region, as far as it matters to a model for whole chests."""

    CHEST = "chest"
    PART = "part of a chest"
    OTHER = "other"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Body:
    """A body part from one header element, as written there."""

    text: str
    region: Region


_PHRASES = {r"RIB CAGE": "RIBS", r"(C|T|L|CERVICAL|THORACIC|LUMBAR) SPINE": "SPINE"}
_CHEST = word_set(
    """
    CHEST THORAX TORAX THORACIC CXR LUNG LUNGS LUNGE LUNGEN PULMONARY PULMON PULMONES POUMON
    POUMONS POLMONI BRUSTKORB
    """
)
_PART = word_set(
    """
    HEMITHORAX RIB RIBS RIBCAGE RIPPEN COSTAL COSTILLAS STERNUM CLAVICLE CLAVICLES CLAVICULA
    SCAPULA APEX APICES SCJOINT STERNOCLAVICULAR HALF HEMI HEMICHEST UNILATERAL UNILAT
    """
)
_OTHER = word_set(
    """
    ABDOMEN ABD ABDOMINAL KUB PELVIS PELVIC HIP HIPS HEAD SKULL BRAIN FACIAL SINUS SINUSES
    NOSE NASAL ORBIT ORBITS EYE EAR JAW MANDIBLE MAXILLA TEETH TOOTH TMJ MASTOID MASTOIDS
    NECK LARYNX PHARYNX ADENOIDS SPINE CSPINE TSPINE LSPINE CTSPINE TLSPINE LSSPINE SSPINE
    SACRUM COCCYX VERTEBRA VERTEBRAE SHOULDER SHOULDERS ACJOINT ARM HUMERUS ELBOW FOREARM
    RADIUS ULNA WRIST HAND HANDS FINGER FINGERS THUMB LEG LEGS THIGH FEMUR KNEE KNEES
    PATELLA TIBIA FIBULA ANKLE FOOT FEET CALCANEUS HEEL TOE TOES EXTREMITY LIMB BREAST MAMMA
    WHOLEBODY BABYGRAM BLADDER KIDNEY KIDNEYS LIVER STOMACH BOWEL COLON ESOPHAGUS OESOPHAGUS
    BONE BONEAGE SKELETON BAUCH BECKEN SCHADEL HANDGELENK KNIE FUSS CRANEO MANO RODILLA
    """
)
_BESIDE = word_set(
    """
    AP PA LAT LATERAL VIEW VIEWS XR XRAY RAY X DX CR DR PLAIN PORT PORTABLE MOBILE BEDSIDE
    PED PEDS PEDIATRIC PAEDIATRIC CHILD INFANT NEONATE NEONATAL ADULT ROUTINE SINGLE
    STRUCTURE OF THE REGION CAVITY ENTIRE WHOLE BOTH BILATERAL BILAT ERECT SUPINE UPRIGHT
    STANDING FRONTAL OBLIQUE OBL DECUB DECUBITUS LLD RLD LL RL LAO RAO LPO RPO AND
    """
)
_SIDES = {"L": "L", "LT": "L", "LEFT": "L", "R": "R", "RT": "R", "RIGHT": "R"}
_KNOWN = frozenset({*_CHEST, *_PART, *_OTHER, *_BESIDE, *_SIDES, "TO"})

# SNOMED CT, and SNOMED RT in older files; for other schemes the code meaning is used.
_CHEST_CODES = word_set(
    """
    51185008 816094009 T-D3000 39607008 T-28000 43799004
    """
)
_PART_CODES = word_set(
    """
    113197003 T-11300 56873002 T-11210 51299004 T-12310 79601000 T-12280 86598002 T-280A0
    44029006 T-28500 3341006 T-28100
    """
)


def bodies_of(part: str, codes: Sequence[Mapping[str, str]]) -> list[Body]:
    """Return the body parts named by the header elements.

    Of a procedure, whose wording is local to each hospital, only recognised words count.
    """
    bodies = []
    if part:
        bodies.append(Body(part, _region(part)))
    regions = [code for code in codes if code.get("of") == "region"]
    bodies += [Body(code["meaning"] or code["value"], _of_code(code)) for code in regions]
    for code in codes:
        if code.get("of") == "procedure":
            region = _of_procedure(code["meaning"])
            if region is not Region.UNKNOWN:
                bodies.append(Body(code["meaning"], region))
    return bodies


def one_side(laterality: str) -> str:
    """Return the side, L or R, if Image Laterality or Laterality names just one, else ''."""
    sides = {_SIDES.get(word, "") for word in tokens(laterality)}
    return sides.pop() if len(sides) == 1 else ""


def _of_code(code: Mapping[str, str]) -> Region:
    by_words = _region(code["meaning"])
    # A modifier in the code meaning may restrict it to one half.
    if code["value"] in _PART_CODES or by_words is Region.PART:
        return Region.PART
    return Region.CHEST if code["value"] in _CHEST_CODES else by_words


def _region(text: str) -> Region:
    words = _split(text)
    found = set(words)
    sides = {_SIDES[word] for word in found & _SIDES.keys()}
    if found & _OTHER:
        return Region.OTHER
    if found & _PART or (found & _CHEST and len(sides) == 1):
        return Region.PART
    if any(word not in _KNOWN and not word.isdigit() for word in words):
        return Region.UNKNOWN
    return Region.CHEST if found & _CHEST else Region.UNKNOWN


def _of_procedure(text: str) -> Region:
    """Return the body part of a procedure; chest if it is among several."""
    found = set(_split(text))
    if found & (_CHEST - {"THORACIC"}):
        return Region.CHEST
    if found & _OTHER:
        return Region.OTHER
    return Region.PART if found & _PART else Region.UNKNOWN


def _split(text: str) -> list[str]:
    words = tokens(text, _PHRASES)
    return [part for word in words for part in ([word] if word in _KNOWN else parted(word, _KNOWN))]
