"""Training: batches, crops, losses, the Lightning task, recipes, export.

Needs the extra: pip install 'photochrom[train]'."""
