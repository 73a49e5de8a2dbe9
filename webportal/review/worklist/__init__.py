"""The worklist: filters, order, counts, and the pages that show and change it."""
