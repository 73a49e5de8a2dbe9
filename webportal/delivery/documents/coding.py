"""DICOM codes for the content of documents."""

from highdicom.sr import CodedConcept
from pydicom.sr.coding import Code as DicomCode

from webportal.records.choices import Category
from webportal.review.models import OtherFinding, Pneumonia, Zone
from webportal.review.reads import codes

SNOMED = "SCT"
#: PS3.16 CID 100; its earlier versions have no code for plain radiographs.
PROCEDURE = DicomCode("363679005", SNOMED, "Imaging procedure")
QUALITATIVE_EVALUATIONS = DicomCode("C0034375", "UMLS", "Qualitative Evaluations")
CERTAINTY_OF_FINDING = DicomCode("111012", "DCM", "Certainty of Finding")
PERCENT = DicomCode("%", "UCUM", "Percent")
FINDING_SITE = DicomCode("363698007", SNOMED, "Finding site")
CONCLUSION = DicomCode("121077", "DCM", "Conclusion")
COMMENT = DicomCode("121106", "DCM", "Comment")

PNEUMONIA = DicomCode(codes.PNEUMONIA.snomed_ct, SNOMED, "Pneumonia")
#: A finding marked as 'other', which the impression describes.
ABNORMALITY = DicomCode("122451", "DCM", "Abnormal Region")
QUALITY_ASSESSMENT = DicomCode("111050", "DCM", "Quality Assessment")
UNUSABLE = DicomCode("111235", "DCM", "Unusable - Quality renders image unusable")

#: The model's categories that state whether pneumonia is present.
MODEL_SAYS = {
    Category.LIKELY: DicomCode("410592001", SNOMED, "Probably present"),
    Category.INDETERMINATE: DicomCode("82334004", SNOMED, "Indeterminate"),
    Category.UNLIKELY: DicomCode("410593006", SNOMED, "Probably not present"),
}
_CERTAINTY_MEANINGS = {
    Pneumonia.NONE: "Absent",
    Pneumonia.POSSIBLE: "Possible",
    Pneumonia.DEFINITE: "Present",
}
_FINDING_MEANINGS = {
    OtherFinding.EFFUSION: "Pleural effusion",
    OtherFinding.CARDIOMEGALY: "Cardiomegaly",
    OtherFinding.PNEUMOTHORAX: "Pneumothorax",
    OtherFinding.ATELECTASIS: "Atelectasis",
}
_ZONE_MEANINGS = {
    codes.UPPER: "Upper zone of lung",
    codes.MIDDLE: "Middle zone of lung",
    codes.LOWER: "Lower zone of lung",
}
PRESENT = DicomCode(codes.CERTAINTY[Pneumonia.DEFINITE].snomed_ct, SNOMED, "Present")
ABSENT = DicomCode(codes.CERTAINTY[Pneumonia.NONE].snomed_ct, SNOMED, "Absent")


def certainty(pneumonia: str) -> DicomCode:
    """The reader's certainty of pneumonia."""
    value = Pneumonia(pneumonia)
    return DicomCode(codes.CERTAINTY[value].snomed_ct, SNOMED, _CERTAINTY_MEANINGS[value])


def other_finding(finding: str) -> DicomCode | None:
    """The code of another finding; None for 'other', which the impression describes.

    Raises UnknownFindingError.
    """
    if finding not in OtherFinding.values:
        raise codes.UnknownFindingError(finding)
    value = OtherFinding(finding)
    if value not in codes.OTHER_FINDINGS:
        return None
    return DicomCode(codes.OTHER_FINDINGS[value].snomed_ct, SNOMED, _FINDING_MEANINGS[value])


def zone(name: str) -> tuple[DicomCode, DicomCode]:
    """A lung zone and its laterality. Raises UnknownFindingError."""
    if name not in Zone.values:
        raise codes.UnknownFindingError(name)
    code = codes.ZONES[Zone(name)]
    side = "Right" if code.laterality == codes.RIGHT else "Left"
    return (
        DicomCode(code.snomed_ct, SNOMED, _ZONE_MEANINGS[code.snomed_ct]),
        DicomCode(code.laterality, SNOMED, side),
    )


def concept(code: DicomCode) -> CodedConcept:
    """The code as an item of a content tree."""
    return CodedConcept(code.value, code.scheme_designator, code.meaning)
