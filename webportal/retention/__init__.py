"""Retention: the rule, the legal holds that suspend it, and the studies that are due.

Nothing is removed yet: due studies are listed for review.
"""
