"""Reads: drafting, signing, addenda, amendments, second reading, and who may see what of them.

Domain rules only: nothing here handles a request.
"""
