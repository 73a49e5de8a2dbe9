"""`make fuzz`: spoilt phantoms through the very code that takes files in."""
