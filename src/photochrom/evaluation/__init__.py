"""Measures of a colourisation: colour error, and whether a classifier recognises the content."""
