"""python -m fuzz.guided KIND: inputs chosen by the lines of code that they reach (atheris).

The corpus is kept in var/fuzz/corpus and starts with the valid phantoms. Options after KIND are
libFuzzer's: `-max_total_time=600`, `-runs=100000`. It stops at the first input that exposes
a fault and prints where it is kept.
"""

import sys
from random import Random

import atheris

from deploy.local.system import ROOT
from fuzz import corruption, phantoms
from fuzz.settings import set_up

FOLDER = ROOT / "var" / "fuzz"
_INSTRUMENTED = ["ml.images", "webportal.intake.checks", "webportal.intake.cases", "pydicom"]


def main() -> None:
    """Fuzz one kind; never returns."""
    kind, *options = sys.argv[1:]
    corpus, crashes = FOLDER / "corpus" / kind, FOLDER / "guided"
    for folder in (corpus, crashes):
        folder.mkdir(parents=True, exist_ok=True)
    for number, data in enumerate(phantoms.good(kind)):
        (corpus / f"good-{number}").write_bytes(data)
    with atheris.instrument_imports(include=_INSTRUMENTED):
        set_up()
        from fuzz import targets

    def test_one_input(data: bytes) -> None:
        targets.process(kind, data)

    def mutate(data: bytes, max_size: int, seed: int) -> bytes:
        by = Random(seed)
        if by.random() < 0.3:
            return bytes(atheris.Mutate(data, max_size))
        return corruption.change(kind, data, by)[:max_size]

    limits = ["-rss_limit_mb=2500", "-timeout=30", f"-artifact_prefix={crashes}/{kind}-"]
    arguments = [sys.argv[0], *limits, "-max_len=400000", *options, str(corpus)]
    atheris.Setup(arguments, test_one_input, custom_mutator=mutate)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
