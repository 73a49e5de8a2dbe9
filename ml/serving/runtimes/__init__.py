"""What runs a package's network: one module a runtime, behind one small interface."""
