"""A few dozen real photographs, small, as a folder and as tars."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
import skimage.data
from PIL import Image


def small_photographs() -> dict[str, Image.Image]:
    """name -> 96 x 64 cut-outs of scikit-image's photographs."""
    cuts = {}
    for name in ("astronaut", "coffee", "chelsea", "rocket"):
        photograph = Image.fromarray(getattr(skimage.data, name)())
        random = np.random.default_rng(0)
        for i in range(10):
            left, top = random.integers(0, photograph.width - 192), random.integers(0, photograph.height - 128)
            cuts[f"{name}-{i:02d}"] = photograph.crop((left, top, left + 192, top + 128)).resize((96, 64))
    return cuts


@pytest.fixture(scope="session")
def photo_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photographs")
    for name, image in small_photographs().items():
        (folder / name.split("-")[0]).mkdir(exist_ok=True)
        image.save(folder / name.split("-")[0] / f"{name}.png")
    return folder


@pytest.fixture(scope="session")
def photo_tars(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shards")
    items = list(small_photographs().items())
    for shard in range(2):
        with tarfile.open(folder / f"train-{shard:04d}.tar", "w") as archive:
            for name, image in items[shard::2]:
                buffer = io.BytesIO()
                image.save(buffer, "PNG")
                info = tarfile.TarInfo(f"{name}.png")
                info.size = buffer.tell()
                buffer.seek(0)
                archive.addfile(info, buffer)
    return folder
