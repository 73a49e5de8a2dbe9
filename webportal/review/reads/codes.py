"""RadLex and SNOMED CT codes of the structured findings, which the API gives with each read.

RadLex is version 4.3 (https://radlex.org), which has no class for cardiomegaly. SNOMED CT has no
concept for a zone of one lung: the zone is one of DICOM PS3.16 CID 6171 'Zone of Lung', to be
post-coordinated with the laterality of CID 244.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from webportal.review.models import OtherFinding, Pneumonia, Read, Zone


@dataclass(frozen=True)
class Code:
    """A finding's codes; empty where a scheme has none. `laterality` is a SNOMED CT qualifier."""

    radlex: str
    snomed_ct: str
    laterality: str = ""


class UnknownFindingError(Exception):
    """A read has a finding or a zone that only a later release knows, so that it has no code."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


RIGHT, LEFT = "24028007", "7771000"
UPPER, MIDDLE, LOWER = "281392002", "281393007", "281394001"

PNEUMONIA = Code("RID5350", "233604007")
# The reader's certainty as a qualifier of the finding: absent, possible, present.
CERTAINTY = {
    Pneumonia.NONE: Code("RID28473", "2667000"),
    Pneumonia.POSSIBLE: Code("", "371930009"),
    Pneumonia.DEFINITE: Code("RID28472", "52101004"),
}
ZONES: Mapping[str, Code] = {
    Zone.RIGHT_UPPER: Code("RID1350", UPPER, RIGHT),
    Zone.RIGHT_MIDDLE: Code("RID1353", MIDDLE, RIGHT),
    Zone.RIGHT_LOWER: Code("RID1356", LOWER, RIGHT),
    Zone.LEFT_UPPER: Code("RID1349", UPPER, LEFT),
    Zone.LEFT_MIDDLE: Code("RID1352", MIDDLE, LEFT),
    Zone.LEFT_LOWER: Code("RID1355", LOWER, LEFT),
}
# 'Other' is described in the impression and has no code.
OTHER_FINDINGS: Mapping[str, Code] = {
    OtherFinding.EFFUSION: Code("RID34539", "60046008"),
    OtherFinding.CARDIOMEGALY: Code("", "8186001"),
    OtherFinding.PNEUMOTHORAX: Code("RID5352", "36118008"),
    OtherFinding.ATELECTASIS: Code("RID28493", "46621007"),
}


def coded_findings(read: Read) -> list[tuple[str, Code]]:
    """Each finding, certainty and zone of a read with its codes.

    'Other' has none, nor has what only a later release knows.
    """
    coded: list[tuple[str, Code]] = []
    if read.pneumonia:
        coded.append(("pneumonia", PNEUMONIA))
        coded.append((read.pneumonia, CERTAINTY[Pneumonia(read.pneumonia)]))
    coded += [(each, ZONES[each]) for each in read.zones if each in ZONES]
    others = read.other_findings
    return coded + [(each, OTHER_FINDINGS[each]) for each in others if each in OTHER_FINDINGS]
