"""What the scheduler is to do at intervals is there, and reaches it."""

from scheduler import tasks
from scheduler.app import MAINTENANCE_QUEUE, app


def test_every_entry_of_the_schedule_is_a_task_of_the_scheduler() -> None:
    assert tasks.__name__ in app.conf.include
    schedule = app.conf.beat_schedule
    assert {entry["task"] for entry in schedule.values()} <= set(app.tasks)
    assert {entry["options"]["queue"] for entry in schedule.values()} == {MAINTENANCE_QUEUE}
