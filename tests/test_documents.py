"""What the documents name exists."""

import re

import pytest

from deploy.local.system import ROOT

_PATH = re.compile(
    r"`((?:webportal|workers|scheduler|ml|deploy|tests|tools|bench|requirements)[\w./-]*)`"
)


@pytest.mark.parametrize("name", ["threat-model.md"])
def test_every_file_that_a_document_names_exists(name: str) -> None:
    named = _PATH.findall((ROOT / "docs" / name).read_text())
    assert len(named) > 20
    assert [path for path in named if not (ROOT / path).exists()] == []
