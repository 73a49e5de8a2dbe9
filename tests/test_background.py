"""A command that runs beside the process that started it."""

import signal
from pathlib import Path

from tests.helpers import wait_until
from webportal.background import Background


def test_a_command_runs_until_it_ends_by_itself() -> None:
    command = Background()
    assert not command.is_running()
    command.start("shell", "--command", "raise SystemExit(3)")
    assert command.is_running()
    assert command.wait(120) == 3
    assert not command.is_running()


def test_a_command_is_terminated(tmp_path: Path) -> None:
    command = Background()
    command.terminate()
    begun = tmp_path / "begun"
    code = f"import pathlib, time; pathlib.Path({str(begun)!r}).touch(); time.sleep(300)"
    command.start("shell", "--command", code)
    wait_until(begun.exists, "the command began")
    command.terminate()
    assert command.wait(60) == -signal.SIGTERM
    command.terminate()
