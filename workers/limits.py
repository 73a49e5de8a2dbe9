"""Time limits: each is longer than the one before it."""

# A task keeps claiming for this long and then hands over to a new message, so that restarts and
# remote commands need not wait for a long queue to empty.
DRAIN_SECONDS = 30
# A task that takes longer is considered hung, and its process is killed. Leaves room for the last
# batches and for a database outage of one lease.
HARD_LIMIT_SECONDS = 180
# When Redis redelivers an unacknowledged message to another worker.
VISIBILITY_SECONDS = 300
