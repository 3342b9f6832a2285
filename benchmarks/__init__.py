"""Measurements, side by side in one run; each script prints a table."""
