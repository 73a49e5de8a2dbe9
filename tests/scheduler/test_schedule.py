"""Every scheduled task exists, and is registered with the scheduler."""

from scheduler import tasks
from scheduler.app import MAINTENANCE_QUEUE, app


def test_every_scheduled_task_is_registered_with_the_scheduler() -> None:
    assert tasks.__name__ in app.conf.include
    schedule = app.conf.beat_schedule
    assert {entry["task"] for entry in schedule.values()} <= set(app.tasks)
    assert {entry["options"]["queue"] for entry in schedule.values()} == {MAINTENANCE_QUEUE}
