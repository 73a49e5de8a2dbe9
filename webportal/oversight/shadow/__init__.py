"""A version in the shadow: it assesses live images at the lowest priority, unseen by readers."""
