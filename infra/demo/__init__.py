"""The whole story on a fresh cloud, as people, programs, a vendor and an operator would live it."""
