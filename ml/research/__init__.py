"""Research: training, evaluating and packaging a network. Serving imports nothing of it."""
