"""Checks shared by the tests of everything that starts Chestline's processes."""

import re
from collections.abc import Sequence

import click
from celery.bin.worker import worker as celery_worker

from deploy.local.system import ROOT
from webportal.inference.hint_sender import INFERENCE_QUEUE
from webportal.server import __main__ as server

MAINTENANCE_QUEUE = "maintenance"
#: The code of all modules of the settings.
SETTINGS_CODE = "\n".join(
    path.read_text(encoding="utf-8")
    for path in sorted((ROOT / "webportal" / "settings").glob("*.py"))
)
#: The names of all settings that can be given in the environment.
SETTINGS_READ = frozenset(re.findall(r'\benv\.\w+\(\s*"([A-Z][A-Z0-9_]*)"', SETTINGS_CODE))


def assert_understood(command: Sequence[str]) -> None:
    """Fail unless the program that a command names accepts its arguments."""
    program, *arguments = command
    if program == "webportal.server":
        assert server.read_options(arguments).bind.endswith(":8000")
    elif program == "python":
        assert (ROOT / arguments[0]).is_file()
        (name,) = arguments[1:]
        assert list(ROOT.glob(f"webportal/*/management/commands/{name}.py"))
    else:
        assert program == "celery"
        options_of_worker = arguments[arguments.index("worker") + 1 :]
        context = click.Context(celery_worker)
        options, rest, _ = celery_worker.make_parser(context).parse_args(options_of_worker)
        assert not rest
        is_scheduler = bool(options.get("beat"))
        application = "scheduler.app" if is_scheduler else "workers.app"
        assert application in " ".join(arguments)
        assert options["queues"] == (MAINTENANCE_QUEUE if is_scheduler else INFERENCE_QUEUE)
