"""Mailings: reviewed texts that staff write to many at once, by two people, to the willing."""
