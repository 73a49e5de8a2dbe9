"""View of an image, from every header element that names one.

These are View Position (0018,5101) and View Code Sequence (0054,0220) with its modifiers. Body Part
Examined sometimes has it too, Patient Orientation (0020,0020) tells a side view, and where View
Position is empty, a side view is often named in Series Description (0008,103E), Protocol Name
(0018,1030) or Acquisition Device Processing Description (0018,1400). View Position holds defined
terms (PS3.3 C.8.1.1, C.8.11.5) in the standard, and anything in the world.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from webportal.inference.purpose.header_words import parted, tokens, word_set


class Projection(Enum):
    """The projection; FRONTAL if the header does not distinguish AP from PA."""

    AP = "AP"
    PA = "PA"
    FRONTAL = "frontal"
    NOT_FRONTAL = "not frontal"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class View:
    """A view from one header element, as written there."""

    text: str
    projection: Projection


_PHRASES = {
    r"ANTERO ?POSTERIOR": "AP",
    r"POSTERO ?ANTERIOR": "PA",
    r"ANTERIOR POSTERIOR": "AP",
    r"POSTERIOR ANTERIOR": "PA",
    r"A P": "AP",
    r"P A": "PA",
    r"(X|CROSS) TABLE": "XTABLE",
    r"OPEN MOUTH": "TRANSORAL",
}
_FRONTAL = {
    "AP": Projection.AP,
    "PA": Projection.PA,
    **dict.fromkeys(("FRONTAL", "FRONTALE", "FRONT", "FRENTE", "FACE"), Projection.FRONTAL),
}
_LATERAL = """
    LAT LATS LATERAL LATERALS LATERALE LL RL LLAT RLAT LTLAT RTLAT LATL LATR LATLT LATRT XTABLE
    CROSSTABLE XTLAT PROFIL PROFILE PERFIL SEITLICH SAGITTAL ML LM MEDIOLATERAL LATEROMEDIAL
    LATERO LATEROLATERAL LATERAAL SEITL SEITE ZIJDELINGS BOCZNA БОКОВАЯ БОКОВОИ 侧位 側位 側面
"""
_OBLIQUE = """
    LAO RAO LPO RPO LLO RLO MLO LMO OBL OBLIQUE OBLIQUES OBLIQUA OBLICUA OBLICUO SCHRAG 斜位
"""
_DECUBITUS = """
    LLD RLD DECUB DECUBS DECUBITUS DECUBITIS DECUBITE DECUBITO DECUBITAL LDECUB RDECUB LDEC RDEC
    LLDECUB RLDECUB
"""
_OTHER = """
    SWIMMERS SWIMMER SWIM LORDOTIC APICAL AXIAL SEMIAXIAL INFEROSUPERIOR SUPEROINFERIOR CC
    CRANIOCAUDAL CAUDOCRANIAL CEPHALAD CAUDAD TANGENTIAL SKYLINE SUNRISE MERCHANT ROSENBERG TUNNEL
    OCCLUSAL TRANSORAL TRANSTHORACIC TRANSFORAMENAL TRANSORBITAL ODONTOID TOWNE TOWNES WATERS
    CALDWELL SUBMENTOVERTICAL VERTICOSUBMENTAL OUTLET INLET JUDET FROG FROGLEG GRASHEY VELPEAU
    AXILLARY PLANTODORSAL DORSOPLANTAR PARIETOACANTHIAL ACANTHIOPARIETAL ORBITOPARIETAL
    PARIETOORBITAL FLEXION EXTENSION
"""
_NOT_FRONTAL = word_set(_LATERAL + _OBLIQUE + _DECUBITUS + _OTHER)
# Patient positioning and other words found with a view, which do not change it.
_BESIDE = word_set(
    """
    SUPINE SUP ERECT UPRIGHT STANDING SITTING SEATED SEMI SEMIERECT SEMIUPRIGHT SEMISUPINE
    RECUMBENT PRONE PORTABLE PORT MOBILE BEDSIDE BED ICU NICU GRID NONGRID NON INSP
    INSPIRATION INSPIRATORY EXP EXPIRATION EXPIRATORY CHEST THORAX LUNG LUNGS CXR VIEW VIEWS
    PROJECTION ONLY AND PED PEDS PEDIATRIC PAEDIATRIC CHILD INFANT BABY ADULT LEFT RIGHT LT
    RT L R LI RE 胸部
    """
)
_KNOWN = frozenset({*_FRONTAL, *_NOT_FRONTAL, *_BESIDE})
# In a description the other words may be names, units or settings.
_DESCRIBES_SIDE = word_set(_LATERAL + _OBLIQUE + _DECUBITUS + "LORDOTIC") - word_set(
    "ML LM RL PROFILE SEITE"
)

# CID 4010 "DX View" (PS3.16): SNOMED CT codes, and those of SNOMED RT that older files have.
_FRONTAL_CODES = {
    **dict.fromkeys(("399348003", "R-10206"), Projection.AP),
    **dict.fromkeys(("272479007", "R-40888", "R-10214"), Projection.PA),
    **dict.fromkeys(("399033003", "R-10202"), Projection.FRONTAL),
}
_NOT_FRONTAL_CODES = word_set(
    """
    399067008 R-102CD 399173006 R-10236 399198007 R-10232 260421001 260432000 399260004
    R-10224 399352003 R-10228 30730003 G-A145 399182000 R-102C1 399135007 R-10220 399356000
    R-40985 R-10222 399006002 R-10212 399038007 R-10210 399184004 R-10238 399236003 R-10234
    399312000 R-10208 399059000 R-10216 399160007 R-10204 260427002 R-40783 260426006
    R-40782 399368009 R-10226 399099002 R-10230 399132005 R-10252 399325008 R-10254
    399004004 R-10246 399225005 R-10250 399288005 R-10248 399061009 R-10241 399162004
    R-10242 399196006 R-10244 399110001 R-102C2 399242004 R-102C6 399351005 R-102C7
    260499007 R-40810 399071006 R-102C3 399360002 R-10257 399272005 R-102C5 399255003
    R-10256 399335002 R-102C4 399316002 R-102C8 119376003 G-8300 111069 118438002 G-D00B
    272466003 R-4087B 272476000 R-40885 278318001 R-40554
    """
)


def views_of(position: str, codes: Sequence[Mapping[str, str]], body_part: str = "") -> list[View]:
    """Return the views named by the header elements.

    `codes` are those of `Radiograph.codes`. Of a body part, only words known to be views count; of
    a description, only that it names a view from the side and no other: it may name those of a
    study.
    """
    views = []
    if position:
        views.append(View(position, _projection(tokens(position, _PHRASES))))
    coded = [code for code in codes if code.get("of") == "view"]
    # A modifier refines its view; most leave it frontal.
    coded += [
        code
        for code in codes
        if code.get("of") == "view_modifier" and _of_code(code) is Projection.NOT_FRONTAL
    ]
    if coded:
        text = ", ".join(code["meaning"] or code["value"] for code in coded)
        views.append(View(text, _most_specific(map(_of_code, coded))))
    views += [
        View(f"Patient Orientation {code['value']}", Projection.NOT_FRONTAL)
        for code in codes
        if code.get("of") == "orientation" and _is_from_the_side(code["value"])
    ]
    views += [
        View(code["meaning"], Projection.NOT_FRONTAL)
        for code in codes
        if code.get("of") == "described" and _describes_side(code["meaning"])
    ]
    beside = _projection(tokens(body_part, _PHRASES), strict=False)
    if beside is not Projection.UNKNOWN:
        views.append(View(body_part, beside))
    return views


def _is_from_the_side(orientation: str) -> bool:
    """Whether rows or columns run mainly anterior or posterior.

    Left and right occur in both frontal and oblique views, so they are inconclusive.
    """
    return any(side[:1] in ("A", "P") for side in orientation.split("\\"))


def _describes_side(text: str) -> bool:
    split = {part for word in tokens(text, _PHRASES) for part in _parts(word)}
    return bool(split & _DESCRIBES_SIDE) and not split & _FRONTAL.keys()


def _of_code(code: Mapping[str, str]) -> Projection:
    if code["value"] in _FRONTAL_CODES:
        return _FRONTAL_CODES[code["value"]]
    if code["value"] in _NOT_FRONTAL_CODES:
        return Projection.NOT_FRONTAL
    return _projection(tokens(code["meaning"], _PHRASES))


def _projection(words: Sequence[str], *, strict: bool = True) -> Projection:
    """Return the projection; if `strict`, unknown words leave a frontal view uncertain."""
    split = [part for word in words for part in _parts(word)]
    if _NOT_FRONTAL.intersection(split):
        return Projection.NOT_FRONTAL
    if strict and any(part not in _KNOWN and not part.isdigit() for part in split):
        return Projection.UNKNOWN
    return _most_specific(_FRONTAL[part] for part in split if part in _FRONTAL)


def _parts(word: str) -> list[str]:
    return [word] if word in _KNOWN else parted(word, _KNOWN)


def _most_specific(projections: Iterable[Projection]) -> Projection:
    """Return the most specific of several; AP and PA together are frontal."""
    found = set(projections)
    if Projection.NOT_FRONTAL in found:
        return Projection.NOT_FRONTAL
    if found >= {Projection.AP, Projection.PA}:
        return Projection.FRONTAL
    for projection in (Projection.AP, Projection.PA, Projection.FRONTAL):
        if projection in found:
            return projection
    return Projection.UNKNOWN
