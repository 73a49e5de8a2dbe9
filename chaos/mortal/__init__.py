"""The real processes, with points at which they can be told to die; see `chaos.points`."""
