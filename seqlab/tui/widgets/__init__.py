"""Widgets that draw numbers: they know arrays and cells of text, and nothing of runs."""
