"""NOTICE names every package of an installation whose licence is not a permissive one."""

import re
from importlib import metadata

from deploy.local.system import ROOT

NOT_PERMISSIVE = re.compile(r"GPL|MPL|EPL|EUPL|CDDL|SSPL|General Public|Mozilla Public|Proprietary")
NAME = re.compile(r"^([A-Za-z0-9][\w.-]*)==", re.MULTILINE)


def licence_of(name: str) -> str:
    """Return what the metadata of an installed package say of its licence."""
    try:
        package = metadata.metadata(name)
    except metadata.PackageNotFoundError:  # for another platform, or an extra
        return ""
    classifiers = [each for each in package.get_all("Classifier") or [] if "License ::" in each]
    # Some have the whole text there.
    text = str(package["License"] or "")[:60]
    return " ".join([str(package["License-Expression"] or ""), text, *classifiers])


def test_licences_that_are_not_permissive_are_in_the_notice() -> None:
    notice = (ROOT / "NOTICE").read_text()
    packages = NAME.findall((ROOT / "requirements.txt").read_text())
    others = [name for name in packages if NOT_PERMISSIVE.search(licence_of(name))]
    assert "certifi" in others
    assert [name for name in others if not re.search(rf"\b{re.escape(name)}\b", notice)] == []
