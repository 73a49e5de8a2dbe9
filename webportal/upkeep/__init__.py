"""Storage maintenance: files that no record names, and files that are missing or damaged."""
