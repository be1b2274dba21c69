"""Augmentation of training crops: sharpness, noise, simulated old prints."""
