"""Shards: what is in them, the same bytes every time, and going on after kill -9."""

import hashlib
import io
import json
import os
import signal
import subprocess
import sys
import tarfile
import time

import numpy as np
import pytest
import pyvips
import skimage.data
from PIL import Image

from photochrom.data.pack import Encoding, PackSettings, pack, skipped_of
from photochrom.data.photograph import decode
from photochrom.data.sources import find_photos
from photochrom.errors import DataError, OutputError, SettingError

SMALL = PackSettings(Encoding(size=48), per_shard=15)


def packed(data, target, settings=SMALL, jobs=1):
    return list(pack(find_photos(data), target, settings, jobs))


def files(folder):
    return {p.name: p.read_bytes() for p in sorted(folder.iterdir())}


def members(folder):
    found = {}
    for tar in sorted(folder.glob("*.tar")):
        with tarfile.open(tar) as archive:
            for member in archive:
                assert member.name not in found
                found[member.name] = archive.extractfile(member).read()
    return found


@pytest.fixture(scope="module")
def shards(photo_folder, tmp_path_factory):
    folder = tmp_path_factory.mktemp("packed") / "shards"
    assert [s.photographs for s in packed(photo_folder, folder)] == [15, 15, 10]
    return folder


def test_the_photographs_are_there_small(photo_folder, shards):
    originals = {p.stem: Image.open(p) for p in photo_folder.rglob("*.png")}
    photos = find_photos(shards)
    assert len(photos) == 40
    for entry in photos:
        image = decode(entry)
        assert image.size == (72, 48)
        stem = entry.key.rpartition("/")[2].removesuffix(".webp")
        expected = np.asarray(originals[stem].resize((72, 48), Image.Resampling.LANCZOS), int)
        assert np.abs(np.asarray(image) - expected).mean() < 6
    keys = [entry.key for entry in photos]
    assert keys != sorted(keys)  # mixed: a reader in order does not see class after class


def test_classes_are_the_folders(photo_folder, shards):
    classes = (shards / "classes.txt").read_text().split()
    assert classes == sorted(p.name for p in photo_folder.iterdir())
    content = members(shards)
    labels = {name.removesuffix(".cls"): int(data) for name, data in content.items() if name.endswith(".cls")}
    assert len(labels) == 40 and len(content) == 80
    assert all(classes[number] == key.partition("/")[0] for key, number in labels.items())


@pytest.mark.parametrize("names", [["a.png", "b/c.png"], ["x/a.png", "x/b.png"], ["x/a.png", "y/z/b.png"]])
def test_other_trees_have_no_classes(photo_folder, tmp_path, names):
    for name in names:
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).write_bytes(find_photos(photo_folder)[0].read())
    packed(tmp_path / "in", tmp_path / "out")
    assert not (tmp_path / "out" / "classes.txt").exists()
    assert sorted(members(tmp_path / "out")) == sorted(name.replace(".png", ".webp") for name in names)


def test_the_sums_are_those_of_sha256sum(shards):
    done = subprocess.run(
        ["sha256sum", "--check", "SHA256SUMS"], cwd=shards, capture_output=True, text=True, check=True
    )
    assert done.stdout.count(": OK") == 3


def test_the_same_bytes_on_any_number_of_processes(photo_folder, shards, tmp_path, monkeypatch):
    monkeypatch.setattr("photochrom.data.survey.CHUNK", 4)
    packed(photo_folder, tmp_path / "again", jobs=2)
    assert files(tmp_path / "again") == files(shards)


def test_complete_shards_stay_and_damaged_ones_are_made_anew(photo_folder, shards, tmp_path):
    target = tmp_path / "shards"
    packed(photo_folder, target)
    (target / "shard-000001.tar").write_bytes(b"damaged")
    (target / "shard-000002.tar").unlink()
    before = (target / "shard-000000.tar").stat().st_mtime_ns
    assert [s.kept for s in packed(photo_folder, target)] == [True, False, False]
    assert (target / "shard-000000.tar").stat().st_mtime_ns == before
    assert files(target) == files(shards)


def test_kill_9_loses_at_most_the_shard_in_work(tmp_path):
    folder = tmp_path / "photographs"
    folder.mkdir()
    photograph = Image.fromarray(skimage.data.astronaut()).resize((400, 400))
    buffer = io.BytesIO()
    photograph.save(buffer, "JPEG")
    for i in range(40):
        (folder / f"{i:02d}.jpg").write_bytes(buffer.getvalue())
    words = ["data", "pack", str(folder), "--size", "256", "--per-shard", "4", "--jobs", "1"]
    command = [sys.executable, "-c", "from photochrom.cli import main; main()", *words]
    process = subprocess.Popen([*command, "-o", str(tmp_path / "killed")], stderr=subprocess.DEVNULL)
    sums = tmp_path / "killed" / "SHA256SUMS"
    deadline = time.monotonic() + 100
    while not (sums.exists() and len(sums.read_text().splitlines()) >= 2):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    complete = dict(reversed(line.split("  ")) for line in sums.read_text().splitlines())
    assert 2 <= len(complete) < 10
    for name, digest in complete.items():
        assert hashlib.sha256((tmp_path / "killed" / name).read_bytes()).hexdigest() == digest
    done = subprocess.run([*command, "-o", str(tmp_path / "killed")], capture_output=True, text=True, check=True)
    assert done.stderr.count("complete already") == len(complete)
    packed(folder, tmp_path / "whole", PackSettings(Encoding(256), per_shard=4))
    assert files(tmp_path / "killed") == files(tmp_path / "whole")  # and no part file is left


def test_what_cannot_be_used_is_named(photo_folder, tmp_path):
    source = tmp_path / "in"
    source.mkdir()
    for i, entry in enumerate(find_photos(photo_folder)[:4]):
        (source / f"{i}.png").write_bytes(entry.read())
    Image.fromarray(skimage.data.camera()).save(source / "grey.png")
    Image.fromarray(skimage.data.coffee()).resize((20, 40)).save(source / "tiny.png")
    (source / "corrupt.png").write_bytes(b"not a picture")
    (source / "cut.png").write_bytes(find_photos(photo_folder)[0].read()[:3000])
    target = tmp_path / "out"
    assert [(s.photographs, s.skipped) for s in packed(source, target)] == [(4, 4)]
    lines = [json.loads(line) for line in (target / "skipped.jsonl").read_text().splitlines()]
    assert {(line["key"], line["reason"]) for line in lines} == {
        ("grey.png", "grey"), ("tiny.png", "tiny"), ("corrupt.png", "corrupt"), ("cut.png", "corrupt"),
    }  # fmt: skip
    assert skipped_of(target).counts == {"corrupt": 2, "grey": 1, "tiny": 1}
    assert [(s.kept, s.skipped) for s in packed(source, target)] == [(True, 4)]


def test_greys_only_are_an_error(tmp_path):
    (tmp_path / "in").mkdir()
    Image.fromarray(skimage.data.camera()).save(tmp_path / "in" / "grey.png")
    with pytest.raises(DataError, match=r"none of the 1 photographs can be used"):
        packed(tmp_path / "in", tmp_path / "out")


def test_names_that_would_collide_in_a_webdataset(photo_folder, tmp_path):
    content = find_photos(photo_folder)[0].read()
    (tmp_path / "in").mkdir()
    for name in ("a.png", "a.jpg", "b.c.png", "b_c.png", "d.e.png", "f.png"):
        (tmp_path / "in" / name).write_bytes(content)
    packed(tmp_path / "in", tmp_path / "out")
    names = sorted(members(tmp_path / "out"))
    keys = [name.partition(".") for name in names]
    assert len({key for key, _, _ in keys}) == 6 and {ending for _, _, ending in keys} == {"webp"}
    assert {"d_e.webp", "f.webp"} <= set(names)


def test_photographs_are_upright_srgb_and_without_metadata(tmp_path):
    (tmp_path / "in").mkdir()
    image = Image.fromarray(skimage.data.coffee()).resize((120, 80))
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "a camera"
    image.save(tmp_path / "in" / "turned.jpg", exif=exif, quality=95)
    wide = pyvips.Image.new_from_array(np.asarray(image)).icc_transform("p3", input_profile="srgb")
    wide.write_to_file(tmp_path / "in" / "wide.png")
    assert np.abs(np.asarray(Image.open(tmp_path / "in" / "wide.png"), int) - np.asarray(image)).mean() > 5
    Image.fromarray(np.dstack([np.asarray(image), np.zeros((80, 120), np.uint8)])).save(tmp_path / "in" / "clear.png")
    Image.fromarray(np.asarray(image)).convert("CMYK").save(tmp_path / "in" / "cmyk.jpg", quality=95)
    target = tmp_path / "out"
    shards = packed(tmp_path / "in", target, PackSettings(Encoding(64, "jpeg", 95)))
    assert shards[0].skipped == 1 and skipped_of(target).names == {"grey": ["clear.png"]}  # all white
    found = {entry.key: decode(entry) for entry in find_photos(target)}
    small = image.resize((96, 64), Image.Resampling.LANCZOS)
    for name, expected, tolerance in (
        ("turned.jpg", small.rotate(-90, expand=True), 4),
        ("wide.jpg", small, 4),
        ("cmyk.jpg", small, 60),  # CMYK has no exact way back; it is RGB of about these colours
    ):
        assert found[name].size == expected.size, name
        assert np.abs(np.asarray(found[name], int) - np.asarray(expected)).mean() < tolerance, name
    raw = Image.open(io.BytesIO(members(target)["turned.jpg"]))
    assert raw.mode == "RGB" and not raw.getexif() and "icc_profile" not in raw.info


def test_small_photographs_are_not_enlarged(photo_folder, tmp_path):
    packed(photo_folder, tmp_path / "out", PackSettings(Encoding(size=500)))
    assert {decode(entry).size for entry in find_photos(tmp_path / "out")} == {(96, 64)}


def test_tars_can_be_packed_again(photo_tars, tmp_path):
    packed(photo_tars, tmp_path / "out")
    before, after = ({e.key.partition(".")[0] for e in find_photos(p)} for p in (photo_tars, tmp_path / "out"))
    assert before == after


def test_another_folder_is_never_touched(photo_folder, shards, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match=r"holds something else already \(notes\.txt\)"):
        packed(photo_folder, tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["notes.txt"]
    before = files(shards)
    with pytest.raises(OutputError, match="was packed with other settings"):
        packed(photo_folder, shards, PackSettings(Encoding(size=64), per_shard=15))
    with pytest.raises(OutputError, match="was packed with other photographs"):
        list(pack(find_photos(photo_folder)[1:], shards, SMALL))
    assert files(shards) == before


@pytest.mark.parametrize(
    "make",
    [
        lambda: Encoding(size=16),
        lambda: Encoding(format="png"),
        lambda: Encoding(quality=0),
        lambda: PackSettings(per_shard=0),
    ],
)
def test_settings_out_of_range_are_refused(make):
    with pytest.raises(SettingError, match="expected"):
        make()


def test_deep_grey_alpha_and_cut_photographs(tmp_path):
    (tmp_path / "in").mkdir()
    image = pyvips.Image.new_from_array(skimage.data.coffee()).resize(0.2)
    (image.cast("ushort") * 257).copy(interpretation="rgb16").write_to_file(tmp_path / "in" / "deep.png")
    image.bandjoin(255).write_to_file(tmp_path / "in" / "alpha.webp", lossless=True)
    image.extract_band(0).write_to_file(tmp_path / "in" / "grey.png")
    for suffix in ("jpg", "webp", "tif", "png"):
        content = image.write_to_buffer(f".{suffix}")
        (tmp_path / "in" / f"cut-{suffix}.{suffix}").write_bytes(content[: len(content) // 2])
    packed(tmp_path / "in", tmp_path / "out", PackSettings(Encoding(48, "webp", 95)))
    found = {entry.key: np.asarray(decode(entry), int) for entry in find_photos(tmp_path / "out")}
    expected = np.asarray(Image.fromarray(image.numpy()).resize((72, 48), Image.Resampling.LANCZOS), int)
    assert sorted(found) == ["alpha.webp", "deep.webp"]
    assert all(np.abs(pixels - expected).mean() < 5 for pixels in found.values())
    assert skipped_of(tmp_path / "out").counts == {"grey": 1, "corrupt": 4}
