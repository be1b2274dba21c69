"""Other people's weights: fetch, recognise, check, convert.

Needs the extra: pip install 'photochrom[train]'."""
