"""Telling people what waits for them: on the page, and by e-mail if they choose so."""
