"""How long studies are kept: the rule, the holds that suspend it, and what it says is due.

Nothing is removed here yet: what is due is listed, for people to look at.
"""
