"""photochrom data pack | prior | stats: what they write, say and refuse."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
import skimage.data
from PIL import Image

from photochrom.data.prior import load_prior

from .conftest import Run


@pytest.fixture
def album(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """album/: six colour photographs in two folders, a grey one, a broken one."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "album"
    for i, name in enumerate(("astronaut", "coffee", "chelsea") * 2):
        target = folder / ("summer" if i < 3 else "winter") / f"{i}.jpg"
        target.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(getattr(skimage.data, name)()).resize((80 + i, 60)).save(target)
    Image.fromarray(skimage.data.camera()).resize((64, 64)).save(folder / "winter" / "grey.png")
    (folder / "winter" / "broken.jpg").write_bytes(b"\xff\xd8\xff broken")
    return folder


def test_stats(run: Run, album: Path) -> None:
    result = run("data", "stats", "album")
    assert result.code == 0, result.err
    lines = dict(line.split(None, 1) for line in result.out.splitlines())
    assert lines["photographs"] == "8"
    assert "looked at       8, unreadable 1\n" in result.out
    assert "formats         JPEG 6, PNG 1\n" in result.out
    assert "short side      60..64 px, median 60\n" in result.out
    assert "near grey       1 (14.3%), left out of training\n" in result.out
    assert "1 corrupt (winter/broken.jpg), 1 grey (winter/grey.png)" in result.err


def test_stats_as_json_and_picture(run: Run, album: Path, tmp_path: Path) -> None:
    result = run("data", "stats", "album", "--json", "--plot", "stats.png", "--limit", 8)
    assert result.code == 0, result.err
    found = json.loads(result.out)
    assert (found["photographs"], found["unreadable"], found["near_grey"]) == (8, 1, 1)
    assert found["short_side"] == [60, 60, 64] and len(found["prior"]) == 313
    assert Image.open("stats.png").format == "PNG"
    again = run("data", "stats", "album", "--plot", "stats.png")
    assert again.code == 1 and "stats.png: the output exists already" in again.err


def test_encode(run: Run, album: Path) -> None:
    result = run("data", "encode", "album", "-o", "one.npy", "--size", 64, "--aged", 0.5, "--jobs", 1)
    assert result.code == 0, result.err
    assert "1 corrupt (winter/broken.jpg), 1 grey (winter/grey.png)" in result.err
    assert "one.npy: 6 photographs, 0 MB" in result.err
    assert len(np.load("one.npy")) == len(np.load("one.npz")["keys"]) == 6
    again = run("data", "encode", "album", "-o", "one.npy")
    assert again.code == 1 and "one.npy: the output exists already" in again.err


@pytest.mark.parametrize(
    ("words", "wrong"),
    [
        (("-o", "one.npy", "--size", 100), "--size is 100; expected a multiple of 32"),
        (("-o", "one.tar"), "-o is one.tar; expected a name that ends in .npy"),
        (("-o", "nowhere/one.npy"), "there is no folder nowhere"),
    ],
)
def test_encode_refuses(run: Run, album: Path, words: tuple[object, ...], wrong: str) -> None:
    result = run("data", "encode", "album", *words)
    assert result.code in (1, 2) and wrong in result.err
    assert list(Path().glob("one*")) == []


def test_prior(run: Run, album: Path, tmp_path: Path) -> None:
    result = run("data", "prior", "album", "-o", "prior.npz", "--plot", "prior.png")
    assert result.code == 0, result.err
    prior = load_prior(tmp_path / "prior.npz")
    assert prior.sum() == pytest.approx(1)
    assert int(np.load("prior.npz")["photographs"]) == 6
    assert "prior.npz: prior of 6 photographs" in result.err
    assert Image.open("prior.png").format == "PNG"
    refused = run("data", "prior", "album", "-o", "prior.npz")
    assert refused.code == 1 and "use --overwrite" in refused.err
    assert run("data", "prior", "album", "-o", "prior.npz", "--overwrite").code == 0


def test_a_picture_needs_matplotlib(run: Run, album: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "matplotlib" else found(name))
    for words in (["stats", "album"], ["prior", "album", "-o", "p.npz"]):
        result = run("data", *words, "--plot", "x.png")
        assert result.code == 2 and "pip install 'photochrom[eval]'" in result.err
        assert not Path("p.npz").exists()


def test_pack(run: Run, album: Path, tmp_path: Path) -> None:
    words = ("data", "pack", "album", "-o", "shards", "--size", 48, "--per-shard", 5, "--format", "jpeg", "--jobs", 1)
    result = run(*words)
    assert result.code == 0, result.err
    assert "shards: 6 photographs" in result.err and "1 corrupt (winter/broken.jpg)" in result.err
    assert sorted(p.name for p in Path("shards").iterdir()) == [
        "SHA256SUMS", "classes.txt", "pack.json", "shard-000000.tar", "shard-000001.tar", "skipped.jsonl",
    ]  # fmt: skip
    assert run(*words).err.count("complete already") == 2
    stats = run("data", "stats", "shards/shard-{000000..000001}.tar", "--json")
    assert json.loads(stats.out)["short_side"] == [48, 48, 48]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["pack", "album", "-o", "shards", "--size", 8], 2, "size is 8; expected at least 32 pixels"),
        (["pack", "album", "-o", "shards", "--format", "png"], 2, "format is 'png'; expected one of: webp, jpeg"),
        (["pack", "album", "-o", "album"], 1, "album: holds something else already"),
        (["stats", "nowhere"], 1, "nowhere: not there; expected a folder of photographs"),
        (["stats", "empty"], 1, "empty: no photographs found"),
        (["stats", "s4://bucket/x"], 1, "s4://bucket/x: cannot be opened"),
        (["prior", "greys", "-o", "p.npz"], 1, "all of 1 photographs are left out: 1 grey (grey.png)"),
        (["pack", "greys", "-o", "shards"], 1, "none of the 1 photographs can be used"),
    ],
)
def test_what_cannot_work_says_why(run: Run, album: Path, words: list[object], code: int, said: str) -> None:
    Path("empty").mkdir()
    Path("greys").mkdir()
    Image.fromarray(skimage.data.camera()).save("greys/grey.png")
    result = run("data", *words)
    assert result.code == code
    assert said in result.err
    assert "Traceback" not in result.err and not Path("p.npz").exists()
