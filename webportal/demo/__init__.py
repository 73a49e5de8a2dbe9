"""The demonstration: phantoms, and the studies that `load_demo` makes of them."""
