"""Demonstration data: phantoms, and the studies that `load_demo` makes from them."""
