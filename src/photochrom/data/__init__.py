"""Photographs from anywhere, for training, evaluation and probes: list, read, pack, prior, statistics."""
