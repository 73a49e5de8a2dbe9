"""The results of an upload batch: as a table, CSV and PDF."""
