"""Networks that judge a colourisation: classifiers, the Frechet distance on their features, the machine judge."""
