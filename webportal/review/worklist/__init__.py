"""The worklist: filters, order, counts, and its pages."""
