"""What `pip install .` without extras puts on a disk, and that it colours a photograph there, offline, without PyTorch.

    python benchmarks/install_size.py [--json FILE]

Makes an empty virtual environment in a temporary folder. Offline is held by a network namespace of its own (unshare),
where the system allows one; the output says whether it did.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import pyvips
import skimage.data

PROJECT = Path(__file__).resolve().parent.parent
LIMIT_MB = 240


def folder_bytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file() and not file.is_symlink())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
        python = folder / "venv" / "bin" / "python"
        (site,) = (folder / "venv" / "lib").glob("python*/site-packages")
        empty = folder_bytes(site)
        subprocess.run([python, "-m", "pip", "install", "--quiet", PROJECT], check=True)
        installed = folder_bytes(site)
        packages = sorted(p.name for p in site.iterdir() if p.is_dir() and not p.name.endswith(".dist-info"))
        largest = sorted(((folder_bytes(site / p) / 1e6, p) for p in packages), reverse=True)[:6]

        photograph = folder / "camera.png"
        pyvips.Image.new_from_array(skimage.data.camera()).pngsave(str(photograph))
        offline = subprocess.run(["unshare", "--net", "true"], capture_output=True).returncode == 0
        cut_off = ["unshare", "--net"] if offline else []
        command = [*cut_off, python, "-m", "photochrom", "colorize", photograph, "-q"]
        subprocess.run(command, check=True, cwd=folder)
        result = {
            "installed_mb": round((installed - empty) / 1e6, 1),
            "limit_mb": LIMIT_MB,
            "largest_mb": {p: round(mb, 1) for mb, p in largest},
            "torch": (site / "torch").exists(),
            "coloured_offline": offline and photograph.with_suffix(".color.png").exists(),
        }
    print(json.dumps(result, indent=2))
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n")
    return 0 if result["installed_mb"] <= LIMIT_MB and not result["torch"] and result["coloured_offline"] else 1


if __name__ == "__main__":
    raise SystemExit(main())
