"""The networks, as plain modules: lightness [N, 1, H, W] in, a head's channels (logits, or colours) out."""
