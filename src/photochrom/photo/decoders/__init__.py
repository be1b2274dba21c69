"""Formats that libvips has no decoder for."""
