"""The faults. Each returns the time from which the system can recover.

For a killed process, that is the time of its death: the keeper restarts it a second later. For an
outage, it is the end of the outage.
"""

import random
import time
from collections.abc import Callable, Sequence
from functools import partial

import redis
from celery import Celery

from chaos import members, points, standby
from chaos.members import Member
from chaos.system import System

Fault = Callable[[System, random.Random], float]
INFERENCE_QUEUE = "inference"
# How long to wait for a process to reach a point before skipping the fault.
POINT_SECONDS = 30


class NotPossibleError(Exception):
    """The fault cannot be injected here and now; the message says why."""


def _hold(chance: random.Random, least: float = 1.0, most: float = 6.0) -> None:
    time.sleep(chance.uniform(least, most))


# ── Killed processes ────────────────────────────────────────────────────────────────────────────


def _kill(pick: Callable[[System], Sequence[Member]], system: System, by: random.Random) -> float:
    by.choice(pick(system)).kill()
    return time.monotonic()


def _kill_child(system: System, by: random.Random) -> float:
    child = by.choice(system.workers).child()
    if child is None:
        raise NotPossibleError("the worker has no child process at the moment")
    child.kill()
    return time.monotonic()


def _kill_all(system: System, by: random.Random) -> float:
    for member in system.members:
        member.kill()
    with system.keeper.hands_off:
        system.postgres.kill()
        system.valkey.kill()
        system.postgres.start()
        system.valkey.start()
    return time.monotonic()


def _die_at(point: str, system: System, by: random.Random) -> float:
    points.tell(system.points, point)
    deadline = time.monotonic() + POINT_SECONDS
    while not points.has_happened(system.points, point):
        if time.monotonic() > deadline:
            points.take_back(system.points, point)
            raise NotPossibleError("no process reached that point")
        time.sleep(0.02)
    return time.monotonic()


# ── Suspended processes ─────────────────────────────────────────────────────────────────────────


def _stop_past_the_lease(system: System, by: random.Random) -> float:
    worker = by.choice(system.workers)
    worker.suspend()
    time.sleep(2 * system.limits.lease_seconds)
    worker.resume()
    return time.monotonic()


def _stop_for_a_while(
    pick: Callable[[System], Sequence[Member]], system: System, by: random.Random
) -> float:
    member = by.choice(pick(system))
    member.suspend()
    _hold(by)
    member.resume()
    return time.monotonic()


# ── The broker ──────────────────────────────────────────────────────────────────────────────────


def _wipe(system: System, by: random.Random) -> float:
    system.wipe_broker()
    return time.monotonic()


def _restart_wiped(system: System, by: random.Random) -> float:
    with system.keeper.hands_off:
        system.valkey.kill()
        _hold(by)
        system.valkey.start()
        system.wipe_broker()
    return time.monotonic()


def _pause_broker(system: System, by: random.Random) -> float:
    members.suspend(system.valkey)
    _hold(by)
    members.resume(system.valkey)
    return time.monotonic()


def _change_messages(
    change: Callable[[list[bytes], random.Random], list[bytes]], system: System, by: random.Random
) -> float:
    with redis.Redis.from_url(system.valkey.url) as client:
        for _ in range(20):
            waiting = client.lrange(INFERENCE_QUEUE, 0, -1)
            changed = change(waiting, by)
            pipe = client.pipeline()
            pipe.delete(INFERENCE_QUEUE)
            if changed:
                pipe.rpush(INFERENCE_QUEUE, *changed)
            pipe.execute()
            time.sleep(0.1)
    return time.monotonic()


def _double(messages: list[bytes], by: random.Random) -> list[bytes]:
    return (messages * 3)[:60]


def _drop(messages: list[bytes], by: random.Random) -> list[bytes]:
    return [each for each in messages if by.random() < 0.2]


def _shuffle(messages: list[bytes], by: random.Random) -> list[bytes]:
    return by.sample(messages, len(messages))


def _many_sweeps(system: System, by: random.Random) -> float:
    """Both schedulers sweep concurrently and repeatedly while a worker's leases expire."""
    by.choice(system.workers).kill()
    moment = time.monotonic()
    with Celery("chaos", broker=system.valkey.url, set_as_current=False) as app:
        end = moment + 1.5 * system.limits.lease_seconds
        while time.monotonic() < end:
            for _ in range(4):
                app.send_task("workers.tasks.sweep", queue="maintenance")
            time.sleep(0.2)
    return moment


# ── The database ────────────────────────────────────────────────────────────────────────────────


def _kill_database(system: System, by: random.Random) -> float:
    with system.keeper.hands_off:
        system.postgres.kill()
        _hold(by)
        system.postgres.start()
    return time.monotonic()


def _stop_database(system: System, by: random.Random) -> float:
    with system.keeper.hands_off:
        system.postgres.stop()
        _hold(by, 2, 10)
        system.postgres.start()
    return time.monotonic()


def _pause_database(system: System, by: random.Random) -> float:
    members.suspend(system.postgres)
    _hold(by, 2, 10)
    members.resume(system.postgres)
    return time.monotonic()


def _fail_over(system: System, by: random.Random) -> float:
    """Kill the primary, which never comes back; its standby is promoted."""
    with system.keeper.hands_off:
        system.postgres.kill()
        _hold(by, 0.5, 3)
        system.promote_standby()
    return time.monotonic()


def _fail_over_frozen(system: System, by: random.Random) -> float:
    """Freeze the primary and promote its standby; kill the primary only afterwards."""
    return _replace_frozen(system, by, comes_back=False)


def _fail_over_returning(system: System, by: random.Random) -> float:
    """The same, but the frozen primary works again for some seconds before it is killed."""
    return _replace_frozen(system, by, comes_back=True)


def _replace_frozen(system: System, by: random.Random, *, comes_back: bool) -> float:
    former = system.postgres
    with system.keeper.hands_off:
        members.suspend(former)
        _hold(by, 0.5, 3)
        system.promote_standby()
    _hold(by)
    if comes_back:
        members.resume(former)
        _hold(by)
    former.kill()
    return time.monotonic()


def _pause_standby(system: System, by: random.Random) -> float:
    """Suspend the standby: nothing may be confirmed until the primary goes on without it."""
    members.suspend(system.spare)
    confirms = standby.confirms_alone(system.postgres)
    _hold(by)
    members.resume(system.spare)
    moment = time.monotonic()
    standby.stop_waiting(system.postgres)
    system.spare.kill()
    if confirms:
        raise AssertionError("a commit was confirmed that the standby did not have")
    return moment


# ── Disks ───────────────────────────────────────────────────────────────────────────────────────


def _fill_storage(system: System, by: random.Random) -> float:
    _need_own_disks(system)
    system.storage_disk.fill()
    _hold(by)
    system.storage_disk.empty()
    return time.monotonic()


def _fill_services(system: System, by: random.Random) -> float:
    """Fill the disk of database and broker; both may exit, and restart once there is space."""
    _need_own_disks(system)
    with system.keeper.hands_off:
        system.service_disk.fill()
        _hold(by)
        system.service_disk.empty()
    system.wait_until(lambda: _answers(system), "database and broker answered again")
    return time.monotonic()


def _answers(system: System) -> bool:
    from webportal.inference.models import Job

    system.valkey.keep_running()
    return Job.objects.exists()


def _read_only_storage(system: System, by: random.Random) -> float:
    _need_own_disks(system)
    if not system.storage_disk.make_read_only():
        raise NotPossibleError("a file on it was always open for writing")
    _hold(by)
    system.storage_disk.make_writable()
    return time.monotonic()


def _storage_gone(system: System, by: random.Random) -> float:
    _need_own_disks(system)
    system.storage_disk.take_away()
    _hold(by, 2, 8)
    strays = system.storage_disk.bring_back()
    moment = time.monotonic()
    if strays:
        raise AssertionError(
            f"{len(strays)} files were written into the folder where the storage was not mounted"
        )
    return moment


def _need_own_disks(system: System) -> None:
    if not (system.storage_disk.is_own and system.service_disk.is_own):
        raise NotPossibleError("this user may not mount a tmpfs")


# ── Clocks ──────────────────────────────────────────────────────────────────────────────────────


def _jump(name: str, system: System, by: random.Random) -> float:
    if system.clocks is None:
        raise NotPossibleError("libfaketime is not installed")
    system.clocks.set(name, by.choice([-1, 1]) * by.choice([90, 3600, 86_400]))
    _hold(by, 4, 8)
    system.clocks.set(name, 0)
    return time.monotonic()


# ── Scaling ─────────────────────────────────────────────────────────────────────────────────────


def _scale(system: System, by: random.Random) -> float:
    """Scale to three workers, one, none, two, and back to all."""
    for wanted in (1, 0, 2):
        for number, worker in enumerate(system.workers):
            if number < wanted and not worker.is_wanted:
                worker.start()
            elif number >= wanted and worker.is_wanted:
                worker.stop()
        _hold(by, 1, 3)
    moment = time.monotonic()
    for worker in system.workers:
        if not worker.is_wanted:
            worker.start()
    return moment


def _portals(system: System) -> list[Member]:
    return system.portals


def _workers(system: System) -> list[Member]:
    return system.workers


def _schedulers(system: System) -> list[Member]:
    return system.schedulers


_POINTS = [
    *((f"portal killed: {point}", point) for point in points.PORTAL),
    *((f"worker killed: {point}", point) for point in points.WORKER),
    *((f"scheduler killed: {point}", point) for point in points.SCHEDULER),
]

#: All faults, by their name in the table of results.
FAULTS: dict[str, Fault] = {
    "portal killed": partial(_kill, _portals),
    "worker killed": partial(_kill, _workers),
    "worker's child killed": _kill_child,
    "scheduler killed": partial(_kill, _schedulers),
    "everything killed": _kill_all,
    **{name: partial(_die_at, point) for name, point in _POINTS},
    "worker stopped past its lease": _stop_past_the_lease,
    "portal stopped": partial(_stop_for_a_while, _portals),
    "scheduler stopped": partial(_stop_for_a_while, _schedulers),
    "broker wiped": _wipe,
    "broker killed and wiped": _restart_wiped,
    "broker paused": _pause_broker,
    "messages doubled": partial(_change_messages, _double),
    "messages dropped": partial(_change_messages, _drop),
    "messages reordered": partial(_change_messages, _shuffle),
    "many sweeps at once": _many_sweeps,
    "database killed": _kill_database,
    "database stopped": _stop_database,
    "database paused": _pause_database,
    "database failed over": _fail_over,
    "database failed over, former primary frozen": _fail_over_frozen,
    "database failed over, former primary back": _fail_over_returning,
    "standby paused": _pause_standby,
    "storage full": _fill_storage,
    "disk of database and broker full": _fill_services,
    "storage read-only": _read_only_storage,
    "storage gone": _storage_gone,
    "portal's clock jumps": partial(_jump, "portal"),
    "workers' clock jumps": partial(_jump, "worker"),
    "schedulers' clock jumps": partial(_jump, "scheduler"),
    "database's clock jumps": partial(_jump, "postgres"),
    "workers 3 → 1 → 0 → 2": _scale,
}

#: Those for which the database has a standby.
WITH_STANDBY = {
    "database failed over",
    "database failed over, former primary frozen",
    "database failed over, former primary back",
    "standby paused",
}

#: Faults of the short run, which `make test` makes.
SHORT = [
    "portal killed: group-committed",
    "worker killed: results-uncommitted",
    "broker killed and wiped",
    "database stopped",
    "database failed over",
    "storage gone",
    "workers 3 → 1 → 0 → 2",
]
