"""Measures of a colouring: how near its colours are, and whether a classifier recognises what it shows."""
