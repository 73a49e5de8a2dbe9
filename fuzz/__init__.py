"""`make fuzz`: feeds corrupted phantoms to the code that receives files."""
