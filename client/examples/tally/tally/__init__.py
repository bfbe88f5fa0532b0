"""Tally: finds the rows of a table that mean the same thing, and can take the repeats out."""
