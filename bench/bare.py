"""The baseline: the same files decoded and predicted in a loop, without queue or database.

An optimised loop: while one batch is predicted, the next is read and decoded with one thread per
core. It runs in a separate process, `python -m bench.bare`, which receives lists of files from
`Loop` and returns seconds.
"""

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import psutil

from ml.serving.package import SHIPPED_PACKAGE, load_package
from ml.serving.predictor import Predictor
from ml.serving.preprocessing import read_input
from ml.serving.runtimes.interface import cores

BATCH_SIZE = 32


class Loop:
    """The process that runs the bare loop."""

    def __enter__(self) -> Self:
        command = [sys.executable, "-m", "bench.bare"]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._answer()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.communicate()

    @property
    def pid(self) -> int:
        """The process id of the loop."""
        return self._process.pid

    def run(self, files: Sequence[Path]) -> float:
        """Decode and predict the files in batches; return the seconds taken."""
        assert self._process.stdin is not None
        print(json.dumps([str(file) for file in files]), file=self._process.stdin, flush=True)
        return self._answer()

    def resident_bytes(self) -> int:
        """The memory used by the process."""
        return int(psutil.Process(self._process.pid).memory_info().rss)

    def _answer(self) -> float:
        assert self._process.stdout is not None
        return float(self._process.stdout.readline())


def main() -> None:
    """For each line on stdin, a JSON list of files, print the seconds taken."""
    predictor = Predictor(load_package(SHIPPED_PACKAGE), BATCH_SIZE)
    size = predictor.package.input_size

    def load(file: str) -> np.ndarray:
        return read_input(Path(file).read_bytes(), size)

    with ThreadPoolExecutor(cores()) as decoders:

        def begin(files: Sequence[str]) -> list[Future[np.ndarray]]:
            return [decoders.submit(load, file) for file in files]

        _say(0.0)
        for line in sys.stdin:
            files = json.loads(line)
            started = time.perf_counter()
            ahead = begin(files[:BATCH_SIZE])
            for start in range(BATCH_SIZE, len(files) + BATCH_SIZE, BATCH_SIZE):
                batch, ahead = ahead, begin(files[start : start + BATCH_SIZE])
                predictor.predict(np.stack([future.result() for future in batch]))
            _say(time.perf_counter() - started)


def _say(seconds: float) -> None:
    sys.stdout.write(f"{seconds}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
