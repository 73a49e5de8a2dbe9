"""Coded findings: every structured value of a read has its codes."""

from webportal.review.models import OtherFinding, Pneumonia, Read, Zone
from webportal.review.reads.codes import coded_findings


def test_every_choice_of_the_read_has_codes() -> None:
    read = Read(
        pneumonia=Pneumonia.DEFINITE,
        zones=Zone.values,
        other_findings=OtherFinding.values,
    )
    coded = dict(coded_findings(read))
    chosen = {"pneumonia", Pneumonia.DEFINITE, *Zone.values, *OtherFinding.values}
    # 'Other' is said in the impression.
    assert set(coded) == chosen - {OtherFinding.OTHER}
    assert all(code.snomed_ct for code in coded.values())
    assert coded[Zone.RIGHT_UPPER].laterality != coded[Zone.LEFT_UPPER].laterality


def test_an_empty_read_has_no_codes() -> None:
    assert coded_findings(Read()) == []
