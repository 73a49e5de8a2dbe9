"""Coded findings: every structured value of a read has its codes."""

from webportal.delivery.documents import coding
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
    # 'Other' has no code: the impression describes it.
    assert set(coded) == chosen - {OtherFinding.OTHER}
    assert all(code.snomed_ct for code in coded.values())
    assert coded[Zone.RIGHT_UPPER].laterality != coded[Zone.LEFT_UPPER].laterality


def test_an_empty_read_has_no_codes() -> None:
    assert coded_findings(Read()) == []


def test_every_coded_value_can_be_written_into_a_document() -> None:
    """Documents that are sent need a meaning beside each code."""
    assert all(coding.certainty(each).meaning for each in Pneumonia)
    assert all(code.meaning for each in Zone for code in coding.zone(each))
    written = {each for each in OtherFinding if coding.other_finding(each)}
    assert written == set(OtherFinding) - {OtherFinding.OTHER}
