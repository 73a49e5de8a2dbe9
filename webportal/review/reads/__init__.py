"""Reads: drafting, signing, addenda, amendments, second reading, and who may see what of them.

Rules alone: nothing here answers a request.
"""
