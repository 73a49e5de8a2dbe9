"""The worklist: which studies, in which order, how many, and the pages that show and change it."""
