"""Halyard: draws a column of a plain table in the terminal or as SVG, on a license lease."""
