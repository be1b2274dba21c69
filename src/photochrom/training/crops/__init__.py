"""What is done to a training crop before the network sees it: sharpness, noise, the look of an old print."""
