"""The portal, a Django project, and what its workers and the scheduler share with it."""

import gc

# Almost everything that importing the portal makes stays. By default the garbage collector would
# look through it 450 times, which takes a tenth of each start of a process.
gc.set_threshold(10_000, 20, 25)
