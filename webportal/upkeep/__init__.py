"""The upkeep of the storage: files that no record names, and files that are not what they were."""
