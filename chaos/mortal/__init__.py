"""The real processes, with points at which they can be killed; see `chaos.points`."""
