"""Figures to steer by: what a start, a check, a page and a roll-up cost, beside a peer's."""
