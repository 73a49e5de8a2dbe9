"""How the supervisor handles programs that exit, hang and print."""

import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from deploy.local import supervisor
from deploy.local.supervisor import Program, StartError, Supervisor


def _python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def _interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def _supervise(folder: Path, *commands: list[str]) -> Supervisor:
    programs = [Program(f"program{number}", command) for number, command in enumerate(commands)]
    return Supervisor(programs, [], dict(os.environ), folder)


def _wait_for(file: Path, lines: int) -> bool:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if file.exists() and len(file.read_text().splitlines()) >= lines:
            return True
        time.sleep(0.02)
    return False


def test_a_program_that_exits_before_the_system_is_ready_stops_the_others(tmp_path: Path) -> None:
    supervised = _supervise(
        tmp_path,
        _python("import time; time.sleep(600)"),
        _python("raise SystemExit('no such model')"),
    )
    with pytest.raises(StartError, match=r"program1 ended with exit status 1.*program1\.log"):
        supervised.run(is_ready=lambda: False, on_ready=lambda: None)
    assert all(p.process is not None and p.process.poll() is not None for p in supervised.programs)
    assert "no such model" in (tmp_path / "program1.log").read_text()


def test_a_program_that_exits_later_is_restarted(tmp_path: Path) -> None:
    starts = tmp_path / "starts"
    crash = f"import time; print('.', file=open({str(starts)!r}, 'a')); time.sleep(0.5)"
    supervised = _supervise(tmp_path, _python(crash))
    seen = []

    def stop_after_second_start() -> None:
        seen.append(_wait_for(starts, 2))
        _interrupt()

    supervised.run(
        is_ready=starts.exists,
        on_ready=threading.Thread(target=stop_after_second_start).start,
    )
    assert seen == [True]


def test_only_the_main_process_is_asked_to_stop(tmp_path: Path) -> None:
    # As Celery does: the main process ends its pool in good order, after its work.
    told = tmp_path / "told"
    child = f"""
import signal, sys, time
def say(*_):
    open({str(told)!r}, 'a').write('child ')
signal.signal(signal.SIGTERM, say)
print('up', flush=True)
sys.stdin.read()
"""
    parent = f"""
import signal, subprocess, sys
child = subprocess.Popen(
    [sys.executable, '-c', {child!r}], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
child.stdout.readline()
def stop(*_):
    child.stdin.close()
    child.wait()
    open({str(told)!r}, 'a').write('parent')
    sys.exit()
signal.signal(signal.SIGTERM, stop)
open({str(tmp_path / "up")!r}, 'w')
signal.pause()
"""
    supervised = _supervise(tmp_path, _python(parent))
    supervised.run(is_ready=(tmp_path / "up").exists, on_ready=_interrupt)
    assert told.read_text() == "parent"


@pytest.mark.timeout(60)
def test_a_second_interrupt_kills_hanging_programs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "STOP_SECONDS", 3600.0)
    up = tmp_path / "up"
    hang = f"""
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
open({str(up)!r}, 'w')
time.sleep(600)
"""
    hanging = _supervise(tmp_path, _python(hang))

    def interrupt_twice() -> None:
        _interrupt()
        threading.Timer(0.3, _interrupt).start()

    hanging.run(is_ready=up.exists, on_ready=interrupt_twice)
    (program,) = hanging.programs
    assert program.process is not None
    assert program.process.returncode == -signal.SIGKILL


def test_output_is_shown_and_logged(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    supervised = _supervise(
        tmp_path, _python("import time; print('a radiograph came in'); time.sleep(600)")
    )
    log = tmp_path / "program0.log"
    supervised.run(is_ready=lambda: "came in" in log.read_text(), on_ready=_interrupt)
    assert "program0 | a radiograph came in" in capfd.readouterr().out
