"""python -m ml COMMAND: training, evaluating, running the network (`--help` lists the commands)."""

import argparse
import os
import sys
from collections.abc import Sequence

from ml.commands import (
    adults,
    benchmark,
    calibrate,
    compare,
    consistency,
    document,
    evaluate,
    gate,
    independent,
    joint,
    pointing,
    predict,
    refine,
    shortcuts,
    train,
)
from ml.commands.errors import CommandError
from ml.research.datasets.radiographs import DatasetError
from ml.serving.package import PackageError
from ml.serving.runtimes.choice import NoRuntimeError

COMMANDS = {
    "train": train,
    "refine": refine,
    "joint": joint,
    "adults": adults,
    "calibrate": calibrate,
    "compare": compare,
    "gate": gate,
    "evaluate": evaluate,
    "independent": independent,
    "predict": predict,
    "consistency": consistency,
    "shortcuts": shortcuts,
    "pointing": pointing,
    "document": document,
    "benchmark": benchmark,
}


def main(command_line: Sequence[str] | None = None) -> int:
    """Run a command line, by default that of the process; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m ml", description="Chestline's network.")
    commands = parser.add_subparsers(required=True)
    for name, module in COMMANDS.items():
        command = commands.add_parser(name, help=module.HELP)
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    arguments = parser.parse_args(command_line)
    # TensorFlow's own messages would drown out ours; its errors are still shown.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    try:
        return int(arguments.run(arguments))
    except ModuleNotFoundError as error:
        print(
            f"error: {error.name} is not installed; 'make install EXTRAS=training' installs what"
            " training needs",
            file=sys.stderr,
        )
        return 1
    except (CommandError, DatasetError, NoRuntimeError, PackageError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
