"""Retention: the rule, the legal holds that suspend it, and the studies that are due.

What is due is only listed here; webportal.erasure removes what people have confirmed.
"""
