"""The hub's client is told not to say which packages are installed here."""

from __future__ import annotations

import os
import subprocess
import sys

CODE = """
from photochrom.data.locations import _open_filesystem
_open_filesystem("hf://datasets/owner/name/train.parquet")
import huggingface_hub.constants
from huggingface_hub.utils import build_hf_headers
print(build_hf_headers()["user-agent"])
assert huggingface_hub.constants.HF_HUB_DISABLE_TELEMETRY
"""


def test_requests_do_not_name_the_packages_here() -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "DISABLE_TEL"))}
    done = subprocess.run([sys.executable, "-c", CODE], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "torch" not in done.stdout
