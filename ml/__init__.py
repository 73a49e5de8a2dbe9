"""The network and everything around it: image reading, training, serving. Without Django."""
