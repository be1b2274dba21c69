"""Networks as judges of a colouring: classifiers, the Frechet distance on their features, the machine judge."""
