"""Training a network: from ImageNet weights, on several sources, and for adults."""
