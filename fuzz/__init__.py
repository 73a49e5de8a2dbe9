"""`make fuzz`: corrupted phantoms through the very code that receives files."""
