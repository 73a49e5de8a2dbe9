"""`make chaos`: injects random faults into the whole system, then checks its invariants."""
