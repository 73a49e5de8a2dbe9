"""Time limits: each is longer than the one before it."""

# A task goes on claiming for this long and then hands over to a fresh message, so that restarts and
# remote commands need not wait for a long queue to empty.
DRAIN_SECONDS = 30
# A task that takes longer hangs, and its process is killed. Room for the last batches and for a
# database that is away for as long as a lease lasts.
HARD_LIMIT_SECONDS = 180
# When Redis hands a message that was never acknowledged to another worker.
VISIBILITY_SECONDS = 300
