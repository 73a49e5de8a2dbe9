"""How many workers an installation needs: a simulation of its queue, fed with its own speeds."""
