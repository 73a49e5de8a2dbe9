"""Notifications on the page, and by e-mail for those who want it."""
