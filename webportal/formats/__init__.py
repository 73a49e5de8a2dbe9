"""How each language writes dates and numbers, where that differs from Django."""
