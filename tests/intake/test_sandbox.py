"""A function that misbehaves in the sandbox affects only itself."""

import os
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest

from ml.errors import ImageError
from webportal.intake.checks import sandbox
from webportal.intake.checks.sandbox import Limits, run


def add(left: int, right: int) -> int:
    return left + right


def refuse() -> None:
    raise ImageError("too_many_pixels", millions=7)


def crash() -> None:
    os.abort()


def eat_memory() -> int:
    return len(bytearray(10 * 1024**3))


def take_memory(count: int) -> int:
    return len(bytearray(count))


def work(seconds: float) -> str:
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass
    return "done"


def spoil_this_process() -> int:
    os.environ["SPOILED"] = "1"
    return os.getpid()


def crash_if_spoiled() -> int:
    if "SPOILED" in os.environ:
        os.abort()
    return os.getpid()


def spin() -> None:
    while True:
        pass


def sleep() -> None:
    time.sleep(3600)


def chatter() -> str:
    sys.stdout.write("Doe^Jane")
    sys.stderr.write("Doe^Jane")
    sys.stdout.flush()
    os.write(2, b"Doe^Jane")
    return "done"


def crash_if_odd(number: int) -> int:
    if number % 2:
        os.abort()
    return number


def test_the_result_comes_back() -> None:
    assert run(add, 2, 3) == 5


def test_a_refusal_is_returned_unchanged() -> None:
    with pytest.raises(ImageError) as refusal:
        run(refuse)
    assert (refusal.value.code, refusal.value.params) == ("too_many_pixels", {"millions": 7})
    assert "larger than 7 million pixels" in refusal.value.message


def test_a_crash_is_a_refusal() -> None:
    with pytest.raises(ImageError) as refusal:
        run(crash)
    assert refusal.value.code == "decoder_failed"


def test_memory_is_limited() -> None:
    with pytest.raises(ImageError) as refusal:
        run(eat_memory, limits=Limits(memory=256 * 1024**2))
    assert refusal.value.code == "too_much_memory"


def test_processor_time_is_limited() -> None:
    with pytest.raises(ImageError) as refusal:
        run(spin, limits=Limits(cpu_seconds=1))
    assert refusal.value.code == "too_slow"


def test_time_is_limited() -> None:
    with pytest.raises(ImageError) as refusal:
        run(sleep, limits=Limits(wall_seconds=0.2))
    assert refusal.value.code == "too_slow"


def test_nothing_is_printed(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(chatter) == "done"
    printed = capfd.readouterr()
    assert "Doe" not in printed.out + printed.err


def test_concurrent_calls_do_not_interfere() -> None:
    def call(number: int) -> int | str:
        try:
            return run(crash_if_odd, number)
        except ImageError as error:
            return error.code

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(call, range(40)))
    assert results == [n if n % 2 == 0 else "decoder_failed" for n in range(40)]


def test_no_process_is_left_behind() -> None:
    run(add, 1, 1)
    before = len(psutil.Process().children(recursive=True))
    for function in (crash, refuse):
        with pytest.raises(ImageError):
            run(function)
    with pytest.raises(ImageError):
        run(sleep, limits=Limits(wall_seconds=0.2))
    run(add, 1, 1)
    assert len(psutil.Process().children(recursive=True)) <= before


def test_one_process_handles_many_calls_and_is_eventually_replaced(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sandbox, "CALLS", 3)
    sandbox._idle.clear()
    numbers = [run(os.getpid) for _ in range(6)]
    assert len(set(numbers)) == 2
    assert numbers == sorted(numbers, key=numbers.index)
    assert os.getpid() not in numbers
    assert not any(psutil.pid_exists(number) for number in numbers)


def test_a_refused_file_does_not_replace_the_process() -> None:
    before = run(os.getpid)
    with pytest.raises(ImageError):
        run(refuse)
    assert run(os.getpid) == before


def test_each_call_has_its_own_limits() -> None:
    run(add, 1, 1, limits=Limits(memory=1, cpu_seconds=1))
    assert run(take_memory, 300 * 1024**2) == 300 * 1024**2
    with pytest.raises(ImageError) as refusal:
        run(take_memory, 300 * 1024**2, limits=Limits(memory=256 * 1024**2))
    assert refusal.value.code == "too_much_memory"
    assert [run(work, 0.6, limits=Limits(cpu_seconds=1)) for _ in range(4)] == ["done"] * 4
    with pytest.raises(ImageError) as refusal:
        run(spin, limits=Limits(cpu_seconds=1))
    assert refusal.value.code == "too_slow"


def test_no_file_is_affected_by_the_one_before_it() -> None:
    spoiled = run(spoil_this_process)
    assert run(crash_if_spoiled) != spoiled


def test_a_process_that_has_ended_meanwhile_does_no_harm() -> None:
    ended = run(os.getpid)
    os.kill(ended, 9)
    assert run(os.getpid) != ended


def test_the_sandbox_server_holds_neither_django_nor_a_thread() -> None:
    loaded, threads = run(loaded_modules)
    assert "webportal.intake.checks.image_file" in loaded
    assert not {"django.db", "tensorflow"} & loaded
    assert threads == 1


def loaded_modules() -> tuple[set[str], int]:
    return set(sys.modules), threading.active_count()
