"""The access log: who was shown what. Views tell `shown.py`; `middleware.py` writes the entries."""
