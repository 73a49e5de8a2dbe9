"""The token for the FHIR server as it comes from the environment or a file."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings


def loaded(file: Path) -> "subprocess.CompletedProcess[str]":
    """A process that prints the token from a file with which it loads the settings."""
    return subprocess.run(
        [
            sys.executable,
            "-c",
            "from webportal import settings; print(repr(settings.AUDIT_EXPORT_FHIR_TOKEN))",
        ],
        cwd=settings.BASE_DIR,
        env={**os.environ, "AUDIT_EXPORT_FHIR_TOKEN_FILE": str(file)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("content", ["se-cr.et_~+/9==", "se-cr.et_~+/9==\n", "se-cr.et_~+/9==\r\n"])
def test_a_line_feed_at_the_end_of_the_file_is_not_of_the_token(
    content: str, tmp_path: Path
) -> None:
    """The request would be refused here, and its error name the token."""
    file = tmp_path / "token"
    file.write_bytes(content.encode())
    done = loaded(file)
    assert done.stdout == "'se-cr.et_~+/9=='\n", done.stderr


@pytest.mark.parametrize(
    "content", ["sec\nret", "sec ret", "secr\u00e9t", "sec\u2019ret", "sec\tret"]
)
def test_what_no_header_can_hold_is_refused_without_being_named(
    content: str, tmp_path: Path
) -> None:
    file = tmp_path / "token"
    file.write_text(content, encoding="utf-8")
    done = loaded(file)
    assert done.returncode == 1
    assert "AUDIT_EXPORT_FHIR_TOKEN must be a bearer token alone" in done.stderr
    assert content not in done.stderr
