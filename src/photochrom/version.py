"""photochrom's version, by itself, so that every module can ask for it and pyproject.toml can read it."""

__version__ = "0.1.0"
