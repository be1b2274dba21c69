"""Third-party weights: download, identify, check, convert.

Needs the extra: pip install 'photochrom[train]'."""
