"""Writes the tables of the conformance statements from the code: `make conformance`."""

import os
from importlib import import_module

import django

from deploy.local.system import ROOT
from tools.checks import SETTINGS

#: The document of each module that has the function `fill_in`.
DOCUMENTS = {
    "webportal.network.conformance": "dicom.md",
    "webportal.dicomweb.conformance": "dicom.md",
    "webportal.delivery.conformance": "dicom.md",
    "webportal.orders.conformance": "orders.md",
    "webportal.research.conformance": "research.md",
}


def main() -> None:
    """Fill in the tables between the markers of each document."""
    os.environ.update(SETTINGS)
    os.environ["DJANGO_SETTINGS_MODULE"] = "webportal.settings"
    django.setup()
    for module, name in DOCUMENTS.items():
        document = ROOT / "docs" / name
        document.write_text(import_module(module).fill_in(document.read_text()))


if __name__ == "__main__":
    main()
