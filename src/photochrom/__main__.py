"""`python -m photochrom` is `photochrom`."""

from .cli import main

main()
