"""Research: training, evaluating and packaging a network. Never imported when serving."""
