"""Serving: a package, the runtimes that run its network, the gate, and the predictor."""
