"""Networks: torch modules and nothing else. Each maps lightness [N, 1, H, W] (CIE L, 0..100; H and W multiples of 32)
to logits over the 313 ab bins [N, 313, H / stride, W / stride]."""
