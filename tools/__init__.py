"""What developers run: the checks, the translation catalogues, the lock of the packages."""
