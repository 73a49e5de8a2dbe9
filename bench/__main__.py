"""python -m bench: measure throughput, latency and memory, and the worklist with many studies."""

import argparse
import os
import sys
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from bench import worklist
from bench.bare import Loop
from bench.results import Run
from bench.system import InferenceWorker, Portal, new_system, say
from ml.serving.runtimes.interface import cores

if TYPE_CHECKING:
    from bench.measures import Figure
    from bench.slow import Page

DIFFERENT_FILES = 60


def main() -> int:
    """Measure, print the table, and return 1 when a target is missed."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--images", type=int, default=2000, help="images in the queue")
    parser.add_argument("--uploads", type=int, default=30, help="uploads timed at idle")
    parser.add_argument("--studies", type=int, default=100_000, help="studies on the worklist")
    parser.add_argument("--requests", type=int, default=40, help="worklist requests of each kind")
    options = parser.parse_args()
    run = Run("bench")
    with new_system() as (stack, folder, _):
        figures = _measure(stack, folder, options.images, options.uploads)
        _print(figures)
        say("\nTiming pages while slow clients hold connections")
        slow_pages = _measure_slow_clients(folder, options.requests)
        kept = {
            "figures": [asdict(each) for each in figures],
            "slow_clients": [asdict(each) for each in slow_pages],
        }
        # Already now, because a worklist that fails should not cost them.
        run.keep(kept)
        say(f"\nMaking {options.studies} studies for the worklist")
        timings = worklist.measure(stack, folder, options.studies, options.requests)
        say(worklist.table(timings))
        run.keep(kept | {"worklist": worklist.kept(timings, options.studies)})
    met = [each.is_met for each in figures]
    met += [each.is_met for each in slow_pages]
    met += [each.is_met for each in timings]
    return 0 if all(met) else 1


def _measure_slow_clients(folder: Path, requests: int) -> "list[Page]":
    from bench import slow

    with ExitStack() as stack:
        pages = slow.measure(Portal(stack, folder / "slow.log").port, requests)
    say(slow.table(pages))
    return pages


def _measure(stack: ExitStack, folder: Path, images: int, uploads: int) -> "list[Figure]":
    # Can only be imported now that the settings exist.
    from bench import measures, pictures, records

    say(f"Drawing {min(images, DIFFERENT_FILES)} phantoms")
    by = records.make_uploader()
    files = pictures.stored_files(min(images, DIFFERENT_FILES))
    radiographs = records.store_radiographs(files, images, by)
    say("Starting the portal, a worker and the bare loop")
    portal = Portal(stack, folder / "portal.log")
    worker = InferenceWorker(stack, folder / "worker.log")
    loop = stack.enter_context(Loop())
    loop.run([records.file_of(radiograph) for radiograph in radiographs[:64]])
    say(f"Timing {uploads} uploads")
    figures = [measures.latency(uploads, by, portal, loop)]
    say(f"Timing {images} images")
    figures.append(measures.throughput(radiographs, by, loop))
    return [*figures, *measures.footprint(portal, worker, loop)]


def _print(figures: "list[Figure]") -> None:
    load = os.getloadavg()[0]
    say(f"\n{cores()} cores; load average {load:.1f}, the benchmark's own included\n")
    say(f"{'':48} {'measured':>9} {'baseline':>9} {'':9} {'ratio':>6}  target")
    for figure in figures:
        verdict = "met" if figure.is_met else "MISSED"
        say(
            f"{figure.name:48} {figure.measured:9.1f} {figure.baseline:9.1f} {figure.unit:9}"
            f" {figure.ratio:6.2f}  {figure.target}: {verdict}"
        )


if __name__ == "__main__":
    sys.exit(main())
