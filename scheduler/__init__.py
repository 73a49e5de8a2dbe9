"""The scheduler: recovery of jobs, audit anchors, notifications and the upkeep of the storage."""
