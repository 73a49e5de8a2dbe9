"""A version in shadow mode assesses live images at the lowest priority, unseen by readers."""
