"""`make chaos`: the whole system under random faults, and what is true of it afterwards."""
