"""Aggregates for partners: monthly counts that tell of nobody, by a register and a budget."""
