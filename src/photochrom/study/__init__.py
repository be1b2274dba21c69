"""The colourisation Turing test (Zhang et al. 2016, section 3.1): build a study, show it to people, report."""
