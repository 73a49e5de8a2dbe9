"""The network and all that belongs to it: reading images, training, serving. Knows no Django."""
