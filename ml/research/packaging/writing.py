"""Writing a package: facts, card and seal."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ml.research.evaluation.consistency import compare_kinds_of_file, find_originals
from ml.research.packaging.card import write_card
from ml.serving.package import CARD_FILE, FACTS_FILE, ModelPackage, load_package, seal_package
from ml.serving.predictor import Predictor


def with_consistency(package: ModelPackage, fullres: Path | None) -> ModelPackage:
    """Rewrite a package with the consistency of its results across file formats."""
    if fullres is None:
        return package
    consistency = compare_kinds_of_file(find_originals(fullres), Predictor(package))
    facts = json.loads((package.path / FACTS_FILE).read_text())
    return write_package(package.path, {**facts, "sameness": consistency})


def write_package(out: Path, facts: Mapping[str, Any]) -> ModelPackage:
    """Write facts and card into a folder that contains everything else, seal it and load it."""
    (out / FACTS_FILE).write_text(json.dumps(facts, indent=2) + "\n")
    (out / CARD_FILE).write_text(write_card(facts))
    seal_package(out)
    return load_package(out)
