"""TIFF as a container: directories and tags, pages, what is refused or passed on as it is."""
