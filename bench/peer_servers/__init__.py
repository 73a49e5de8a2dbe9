"""What each peer of `bench.peers` serves; run by the Python of its own virtual environment."""
