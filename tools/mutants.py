"""Mutation testing of the audit trail, the job claims and the reads.

`python -m tools.mutants [--sample N] [--seed N] [MODULE …]` lets cosmic-ray make one small change
at a time in a copy of the code and runs the tests that tools/mutants.toml names for the module. A
mutant that no test detects has survived: it reveals a missing test, or is equivalent.

PostgreSQL is started once, and its test database is reused between runs. Everything is stored in
var/mutants, the survivors in survivors.diff.
"""

import argparse
import os
import random
import re
import shutil
import subprocess
import sys
import time
import tomllib
from pathlib import Path

from cosmic_ray.work_db import WorkDB, use_db
from cosmic_ray.work_item import TestOutcome, WorkerOutcome, WorkItem, WorkResult

from deploy.local.system import ROOT
from tests.postgres import PostgresOfTests

CONFIG = ROOT / "tools" / "mutants.toml"
FOLDER = ROOT / "var" / "mutants"
TREE = FOLDER / "tree"
SURVIVORS = FOLDER / "survivors.diff"
COSMIC_RAY = str(Path(sys.executable).with_name("cosmic-ray"))
# A mutant may loop forever. pytest ends the test and leaves the database clean; cosmic-ray kills
# what pytest cannot end.
SECONDS_PER_TEST = 60
TIMES_SLOWER = 5
SETTINGS = """[cosmic-ray]
module-path = ["{module}"]
timeout = {timeout}
test-command = "{command}"
distributor.name = "local"
"""


def main() -> None:
    """Run the mutants, print the figures of each module, and write the survivors' changes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sample", type=int, help="run only so many, drawn from all modules")
    parser.add_argument("--seed", type=int, default=1, help="of the draw")
    parser.add_argument("modules", nargs="*", help="only these, as paths")
    options = parser.parse_args()
    config = tomllib.loads(CONFIG.read_text())
    tests: dict[str, list[str]] = config["tests"]
    if unknown := set(options.modules) - set(tests):
        parser.error(f"tools/mutants.toml names no tests for {', '.join(sorted(unknown))}")
    _copy_tree()
    modules = options.modules or list(tests)
    sessions = {module: _make_session(module, config["operators"]["used"]) for module in modules}
    if options.sample:
        _draw(list(sessions.values()), options.sample, options.seed)
    with PostgresOfTests(FOLDER / "postgres"):
        counts = [_run(module, sessions[module], tests[module]) for module in modules]
    run, survived = (sum(column) for column in zip(*counts, strict=True))
    print(f"{run} mutants, {survived} survived: {SURVIVORS.relative_to(ROOT)}")


def _copy_tree() -> None:
    """Copy all files that git does not ignore, so that no mutant is ever left in the code."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (TREE / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, TREE / name)
    built = Path("webportal/static/dist")
    (TREE / built).symlink_to((ROOT / built).resolve())


def _make_session(module: str, operators: list[str]) -> Path:
    """Have cosmic-ray list the mutants of a module, and exclude those of other operators."""
    session = FOLDER / f"{module.replace('/', '.')}.sqlite"
    _write_settings(session, module, "true", 1.0)
    subprocess.run([COSMIC_RAY, "init", _settings(session), session], cwd=TREE, check=True)
    used = re.compile("|".join(operators))
    with use_db(str(session), WorkDB.Mode.open) as db:
        _skip(db, [item for item in db.pending_work_items if not _uses(item, used)])
    return session


def _uses(item: WorkItem, operators: re.Pattern[str]) -> bool:
    return all(operators.fullmatch(mutation.operator_name) for mutation in item.mutations)


def _skip(db: WorkDB, items: list[WorkItem]) -> None:
    for item in items:
        db.set_result(item.job_id, WorkResult(worker_outcome=WorkerOutcome.SKIPPED))


def _draw(sessions: list[Path], size: int, seed: int) -> None:
    """Reduce the mutants to a random sample."""
    pending = []
    for session in sessions:
        with use_db(str(session), WorkDB.Mode.open) as db:
            # Their ids are random; their positions are not.
            items = sorted(db.pending_work_items, key=lambda item: str(item.mutations))
        pending += [(session, item) for item in items]
    chosen = random.Random(seed).sample(range(len(pending)), min(size, len(pending)))
    for number in set(range(len(pending))) - set(chosen):
        session, item = pending[number]
        with use_db(str(session), WorkDB.Mode.open) as db:
            _skip(db, [item])
    print(f"{len(chosen)} of {len(pending)} mutants, seed {seed}", flush=True)


def _run(module: str, session: Path, tests: list[str]) -> tuple[int, int]:
    """Run the mutants of a module; returns how many there were and how many survived."""
    with use_db(str(session), WorkDB.Mode.open) as db:
        if not list(db.pending_work_items):
            return 0, 0
    pytest = ["-m", "pytest", "-x", "-q", "-p", "no:cacheprovider"]
    pytest += [f"--timeout={SECONDS_PER_TEST}", "--reuse-db", *tests]
    environment = os.environ | {"CHESTLINE_TEST_POSTGRES": str(FOLDER / "postgres")}
    started = time.monotonic()
    unchanged = subprocess.run([sys.executable, *pytest], cwd=TREE, env=environment, check=False)
    if unchanged.returncode != 0:
        sys.exit(f"{module}: its tests fail without any change")
    most_seconds = SECONDS_PER_TEST + TIMES_SLOWER * (time.monotonic() - started)
    _write_settings(session, module, " ".join([sys.executable, *pytest]), most_seconds)
    subprocess.run(
        [COSMIC_RAY, "exec", _settings(session), session], cwd=TREE, env=environment, check=True
    )
    with use_db(str(session), WorkDB.Mode.open) as db:
        results = [result for _, result in db.results if result.test_outcome is not None]
    survivors = [result for result in results if result.test_outcome == TestOutcome.SURVIVED]
    with SURVIVORS.open("a") as file:
        file.writelines(f"{result.diff}\n" for result in survivors)
    print(f"{module}: {len(results)} mutants, {len(survivors)} survived", flush=True)
    return len(results), len(survivors)


def _write_settings(session: Path, module: str, command: str, timeout: float) -> None:
    text = SETTINGS.format(module=module, timeout=timeout, command=command)
    _settings(session).write_text(text)


def _settings(session: Path) -> Path:
    return session.with_suffix(".toml")


if __name__ == "__main__":
    main()
