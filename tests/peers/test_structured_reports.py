"""Structured reports against the templates of PS3.16, by PixelMed's DicomSRValidator.

It takes half a minute for each document; `make test-peers` runs it.
"""

import os
import re
import shutil
import subprocess
from io import BytesIO
from pathlib import Path

import pydicom
import pytest

from tests.conftest import PASSWORD
from tests.delivery.rows import make_pacs
from tests.delivery.test_withdrawals import withdraw
from tests.factories import make_prediction
from tests.helpers import let_time_pass
from tests.reading import add_addendum, read
from webportal.accounts.models import User
from webportal.database.clock import clock
from webportal.delivery.making import make
from webportal.delivery.models import (
    Delivery,
    DeliveryState,
    Destination,
    Document,
    DocumentKind,
)
from webportal.delivery.planning import plan
from webportal.review.models import Read
from webportal.review.reads.marks import Mark

pytestmark = [pytest.mark.peers, pytest.mark.django_db, pytest.mark.timeout(900)]

# Its style sheets exceed what Java allows by default.
_OPTIONS = " ".join(
    f"-Djdk.xml.xpath{name}=0" for name in ("TotalOpLimit", "ExprOpLimit", "ExprGrpLimit")
)
# Rows of TID 4019 and TID 1501 (qualitative evaluations) that the validator of 2022 lacks.
_NEWER = re.compile(
    r"(\"Algorithm Manufacturer\"\)|\"Measurement Group\"\)/CODE \([^/]*\))"
    r": Content Item not in template$"
)


@pytest.fixture
def documents(radiologist: User) -> dict[str, Document]:
    """Every kind of report, made; that of the read has an addendum, and names the one before."""
    prediction = make_prediction()
    make_pacs()
    mark = Mark(prediction.radiograph.pk, "pneumonia", 5, 6, 20, 21)
    signed = read(
        prediction,
        radiologist,
        "definite",
        zones=("right_lower",),
        other_findings=("effusion",),
        marks=(mark,),
        comment="A dense opacity.",
    )
    let_time_pass()
    Destination.objects.update(created_at="2000-01-01T00:00Z", looked_until="2000-01-01T00:00Z")
    _make_all()
    Delivery.objects.update(state=DeliveryState.DELIVERED, attempts=1, settled_at=clock())
    signed = Read.objects.get(pk=signed.pk)
    add_addendum(signed, radiologist, "Clinical", "Known since May.", PASSWORD)
    withdraw(prediction.radiograph)
    _make_all()
    return {document.kind: document for document in Document.objects.order_by("created_at")}


def _make_all() -> None:
    plan()
    for document in Document.objects.order_by("created_at"):
        make(document)


@pytest.mark.parametrize(
    "kind",
    [
        DocumentKind.RESULT,
        DocumentKind.RESULT_REGION,
        DocumentKind.REPORT,
        DocumentKind.REPORT_MARKS,
        DocumentKind.WITHDRAWN,
    ],
)
def test_a_report_follows_its_template(
    documents: dict[str, Document], kind: DocumentKind, tmp_path: Path
) -> None:
    if shutil.which("DicomSRValidator") is None:
        pytest.skip("DicomSRValidator is not installed: run make test-peers as root")
    path = tmp_path / "report.dcm"
    content = bytes(documents[kind].content or b"")
    pydicom.dcmread(BytesIO(content)).save_as(path, enforce_file_format=True)
    done = subprocess.run(
        ["DicomSRValidator", path],
        check=False,
        env=os.environ | {"JAVA_TOOL_OPTIONS": _OPTIONS},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    said = done.stdout.splitlines()
    assert "IOD validation complete" in said
    assert "Root Template Validation Complete" in said
    faults = [line for line in said if "Error" in line or "Warning" in line]
    assert [line for line in faults if not _NEWER.search(line)] == []
