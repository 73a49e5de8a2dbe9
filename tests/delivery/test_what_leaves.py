"""What leaves the portal says no less than what its reader signed, and than the study page says."""

import json
from collections.abc import Callable
from dataclasses import replace

import pydicom
import pytest
from pydicom.dataset import Dataset

from tests.conftest import PASSWORD
from tests.delivery.test_documents import made
from tests.factories import make_prediction
from tests.helpers import let_time_pass
from tests.reading import entry, read, sign
from webportal.accounts.models import User
from webportal.database.clock import clock
from webportal.delivery.documents import hl7
from webportal.delivery.documents.fhir.reads import read_transaction
from webportal.delivery.models import Destination, DocumentKind
from webportal.delivery.planning import plan
from webportal.review.models import Addendum, Read

pytestmark = pytest.mark.django_db
Make = Callable[..., Destination]


def texts_of(dataset: Dataset) -> list[str]:
    """The texts of a structured report."""
    return [str(each.value) for each in dataset.iterall() if each.keyword == "TextValue"]


def sr_of(read: Read) -> pydicom.FileDataset:
    """The structured report of a read that a destination gets."""
    let_time_pass()
    plan()
    return made(DocumentKind.REPORT)


def hl7_of(read: Read, *addenda: Addendum) -> str:
    return hl7.read_message(read.study, read, addenda, "1", clock()).decode()


def fhir_of(read: Read, *addenda: Addendum) -> list[dict[str, object]]:
    bundle = json.loads(read_transaction(read.study, read, addenda, []))
    return [each["resource"] for each in bundle["entry"]]


def test_what_is_seen_on_an_image_that_is_not_interpretable_is_in_every_output(
    make_destination: Make, radiologist: User
) -> None:
    make_destination()
    seen = make_prediction()
    given = replace(
        entry(seen, "", comment="Rotated.", other_findings=("pneumothorax",)),
        decision="not_interpretable",
    )
    signed = sign(seen.radiograph.study, radiologist, given, PASSWORD)
    codes = {each.value for each in sr_of(signed).iterall() if each.keyword == "CodeValue"}
    assert {"111235", "36118008"} <= codes
    assert "36118008^Pneumothorax" in hl7_of(signed)
    assert '"36118008"' in json.dumps(fhir_of(signed))


@pytest.mark.parametrize(
    ("comment", "words"),
    [
        ("", "Other finding: the reader has not described it."),
        ("A nodule.", "Other finding: see the impression."),
    ],
)
def test_a_finding_without_a_code_is_said_in_every_output(
    make_destination: Make, radiologist: User, comment: str, words: str
) -> None:
    make_destination()
    signed = read(
        make_prediction(), radiologist, "none", other_findings=("other",), comment=comment
    )
    assert words in texts_of(sr_of(signed))
    assert f"|{words}|" in hl7_of(signed)
    *_, observation, report = fhir_of(signed)
    assert observation["valueString"] == words
    assert words in str(report["text"])


def test_nothing_is_said_of_a_finding_that_is_not_there(
    make_destination: Make, radiologist: User
) -> None:
    make_destination()
    signed = read(make_prediction(), radiologist, "none", other_findings=("effusion",))
    said = str(sr_of(signed)) + hl7_of(signed) + str(fhir_of(signed))
    assert "Other finding" not in said
