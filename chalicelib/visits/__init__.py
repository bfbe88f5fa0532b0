"""Visits: anonymous requests of browsers, counted and never tied to an account."""
