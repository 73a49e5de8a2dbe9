"""Developer tools: checks, translation catalogues, dependency lock."""
