"""How workers pace their claims."""

#: A worker follows a batch that was not full by another no sooner than so long after its start:
#: claiming and writing back cost nearly as much for one image as for ten, and uploads need the
#: processor too.
GATHER_SECONDS = 0.1
