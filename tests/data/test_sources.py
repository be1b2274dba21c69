"""Photographs in folders, tars and Parquet, here and behind URLs: the same photographs, and damage named."""

import io
import os
import tarfile
from pathlib import Path

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from photochrom.data import block_cache, parquet_source, tar_source
from photochrom.data.locations import expand_braces
from photochrom.data.photo_list import fingerprint
from photochrom.data.photograph import decode
from photochrom.data.sources import find_photos
from photochrom.errors import DataError


@pytest.fixture(autouse=True)
def no_blocks_held():
    block_cache.clear()


@pytest.fixture
def memory():
    """fsspec's file system in memory, empty."""
    fs = fsspec.filesystem("memory")
    fs.store.clear()
    yield fs
    fs.store.clear()


def contents(folder):
    """name -> pixels, of a folder, without photochrom."""
    return {p.stem: np.asarray(Image.open(p)) for p in folder.rglob("*.png")}


def assert_holds(photos, expected):
    """The photographs are these, under any key."""
    found = sorted(np.asarray(decode(entry)).tobytes() for entry in photos)
    assert found == sorted(pixels.tobytes() for pixels in expected.values())


def encoded(folder):
    return [p.read_bytes() for p in sorted(folder.rglob("*.png"))]


def write_parquet(path, photographs, column="image", struct=True, group=7, **others):
    if struct:
        kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
        values = pa.array([{"bytes": p, "path": None} for p in photographs], kind)
    else:
        values = pa.array(photographs, pa.binary())
    pq.write_table(pa.table({**others, column: values}), path, row_group_size=group)


def test_parquet_as_hugging_face_writes_it(photo_folder, tmp_path):
    datasets = pytest.importorskip("datasets")
    values = {"image": [{"bytes": p, "path": None} for p in encoded(photo_folder)], "label": [0] * 40}
    features = datasets.Features({"label": datasets.Value("int64"), "image": datasets.Image()})
    data = datasets.Dataset.from_dict(values, features=features)
    (tmp_path / "data").mkdir()
    data.select(range(25)).to_parquet(tmp_path / "data" / "train-00000-of-00002.parquet", batch_size=10)
    data.select(range(25, 40)).to_parquet(tmp_path / "data" / "train-00001-of-00002.parquet", batch_size=10)
    photos = find_photos(tmp_path)
    assert photos[26].key == "train-00001-of-00002.parquet:1"
    assert_holds(photos, contents(photo_folder))
    assert len(photos.blocks) == 5


@pytest.mark.parametrize("column", ["image", "whatever"])
def test_parquet_with_bare_bytes(photo_folder, tmp_path, column):
    write_parquet(tmp_path / "a.parquet", encoded(photo_folder), column, struct=False, label=pa.array(["x"] * 40))
    assert_holds(find_photos(tmp_path / "a.parquet"), contents(photo_folder))


def test_the_usual_name_decides_between_columns(photo_folder, tmp_path):
    write_parquet(tmp_path / "a.parquet", encoded(photo_folder), struct=False, sound=pa.array([b"x"] * 40))
    assert_holds(find_photos(tmp_path / "a.parquet"), contents(photo_folder))


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"text": ["a"], "label": [1]}, r"no column of photographs among text \(string\), label \(int64\)"),
        ({"left": [b"a"], "right": [b"b"]}, r"more than one column .* left \(binary\), right \(binary\)"),
    ],
)
def test_columns_without_photographs_are_named(tmp_path, columns, message):
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")
    with pytest.raises(DataError, match=message):
        find_photos(tmp_path)


def test_a_row_group_too_large_for_memory_is_refused(photo_folder, tmp_path, monkeypatch):
    write_parquet(tmp_path / "a.parquet", encoded(photo_folder), group=40)
    monkeypatch.setattr(parquet_source, "MOST", 10_000)
    with pytest.raises(DataError, match=r"a\.parquet: row group 0 holds .* row_group_size"):
        find_photos(tmp_path)


def test_a_row_without_bytes_is_one_corrupt_photograph(photo_folder, tmp_path):
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    rows = [{"bytes": encoded(photo_folder)[0], "path": None}, {"bytes": None, "path": "elsewhere.jpg"}, None]
    pq.write_table(pa.table({"image": pa.array(rows, kind)}), tmp_path / "a.parquet")
    photos = find_photos(tmp_path)
    assert decode(photos[0]).size == (96, 64)
    with pytest.raises(DataError, match=r"a\.parquet:1 in a\.parquet: corrupt .*elsewhere\.jpg"):
        decode(photos[1])
    with pytest.raises(DataError, match=r"a\.parquet:2 in"):
        decode(photos[2])


def test_a_file_that_is_no_parquet_is_named_and_left_out(photo_folder, tmp_path, caplog):
    (tmp_path / "a.parquet").write_bytes(b"PAR1" + b"x" * 100)
    write_parquet(tmp_path / "b.parquet", encoded(photo_folder))
    assert len(find_photos(tmp_path)) == 40
    assert "a.parquet: not a readable Parquet file" in caplog.text
    (tmp_path / "b.parquet").unlink()
    with pytest.raises(DataError, match=r"no photographs found .*a\.parquet"):
        find_photos(tmp_path)


def test_only_a_few_row_groups_are_held(photo_folder, tmp_path):
    write_parquet(tmp_path / "a.parquet", encoded(photo_folder), group=2)
    for entry in find_photos(tmp_path):
        entry.read()
        assert len(block_cache._held) <= block_cache.BLOCKS < 20


@pytest.mark.parametrize("url", ["memory://b/shards", "memory://b/shards/*.tar", "memory://b/shards/t-{0..1}.tar"])
def test_tars_behind_a_url_are_read_in_stretches(photo_tars, photo_folder, memory, monkeypatch, url):
    for number, tar in enumerate(sorted(photo_tars.glob("*.tar"))):
        memory.pipe(f"/b/shards/t-{number}.tar", tar.read_bytes())
    memory.pipe("/b/shards/readme.md", b"no shard")
    monkeypatch.setattr(tar_source, "STRETCH", 60_000)
    photos = find_photos(url)
    assert [e.key for e in photos] == [e.key for e in find_photos(photo_tars)]
    assert_holds(photos, contents(photo_folder))
    sizes = photos.block_sizes
    assert len(sizes) > 4 and sizes.max() <= 60_000 and (np.diff(photos.block_of) >= 0).all()


def test_parquet_and_photographs_behind_a_url(photo_folder, tmp_path, memory):
    write_parquet(tmp_path / "a.parquet", encoded(photo_folder))
    memory.pipe("/p/data/a.parquet", (tmp_path / "a.parquet").read_bytes())
    assert_holds(find_photos("memory://p"), contents(photo_folder))
    for path in photo_folder.rglob("*.png"):
        memory.pipe(f"/photos/{path.relative_to(photo_folder).as_posix()}", path.read_bytes())
    memory.pipe("/photos/.thumbnails/x.png", b"hidden")
    assert_holds(find_photos("memory://photos"), contents(photo_folder))
    assert find_photos("memory://photos")[0].key == find_photos(photo_folder)[0].key


def test_a_file_url_is_a_path(photo_tars):
    assert fingerprint(find_photos(f"file://{photo_tars}")) == fingerprint(find_photos(photo_tars))


@pytest.mark.parametrize(
    "url", ["memory://nothing", "memory://nothing/x.tar", "memory://nothing/*.tar", "no-such://x/y"]
)
def test_urls_that_lead_nowhere_are_named(memory, url):
    with pytest.raises(DataError, match=url.replace("*", r"\*")):
        find_photos(url)


def test_a_url_whose_package_is_missing_says_so():
    pytest.importorskip("fsspec")
    if "s3fs" in {name.split(".")[0] for name in fsspec.available_protocols()}:
        pytest.skip("s3fs is installed")
    with pytest.raises(DataError, match=r"s3://bucket/shards: .*s3fs"):
        find_photos("s3://bucket/shards")


def test_patterns_here(photo_tars, tmp_path):
    both = [e.key for e in find_photos(photo_tars)]
    for pattern in ("train-{0000..0001}.tar", "train-*.tar", "train-000[01].tar", "train-{0000,0001}.tar"):
        assert [e.key for e in find_photos(f"{photo_tars}/{pattern}")] == both
    assert len(find_photos(f"{photo_tars}/train-0001.tar")) == 20
    with pytest.raises(DataError, match=r"train-0002\.tar is not there"):
        find_photos(f"{photo_tars}/train-{{0000..0002}}.tar")


def test_braces():
    assert expand_braces("a") == ["a"]
    assert expand_braces("x-{8..10}") == ["x-8", "x-9", "x-10"]
    assert expand_braces("{08..10}.{a,b}") == ["08.a", "08.b", "09.a", "09.b", "10.a", "10.b"]


def test_a_folder_with_brackets_in_its_name_is_a_folder(photo_folder, tmp_path):
    folder = tmp_path / "album [1920] {a,b}"
    folder.mkdir()
    (folder / "a.png").write_bytes(encoded(photo_folder)[0])
    assert len(find_photos(folder)) == 1


def test_a_tree_is_listed_like_sorted_paths(tmp_path):
    names = ["b.png", "a/z.JPG", "a/b/c.webp", "a-b/x.png", "a.png", "a/b.png", "\udce4.png", "z/.hidden.png", "n.txt"]
    for name in [*names, ".cache/y.png"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "zz").symlink_to(tmp_path / "a")
    (tmp_path / "a" / "loop").symlink_to(tmp_path)
    wanted = [Path(n) for n in names if n.endswith(("png", "JPG", "webp")) and ".hidden" not in n]
    wanted += [Path("zz/b.png"), Path("zz/b/c.webp"), Path("zz/z.JPG")]
    assert [entry.key for entry in find_photos(tmp_path)] == [p.as_posix() for p in sorted(wanted)]


def header_offsets(tar):
    with tarfile.open(tar) as archive:
        return [member.offset for member in archive]


@pytest.mark.parametrize("remote", [False, True])
def test_what_is_before_the_damage_of_a_tar_is_used(photo_tars, tmp_path, memory, caplog, remote):
    tar = photo_tars / "train-0000.tar"
    offsets, content = header_offsets(tar), bytearray(tar.read_bytes())
    content[offsets[12] : offsets[12] + 300] = os.urandom(300)
    (tmp_path / "bad.tar").write_bytes(content)
    memory.pipe("/bad.tar", bytes(content))
    photos = find_photos("memory://bad.tar" if remote else tmp_path)
    assert [e.key for e in photos] == [e.key for e in find_photos(tar)][:12]
    assert all(decode(e).size == (96, 64) for e in photos)
    said = f"bad.tar: damaged at byte {offsets[12]} of {len(content)}"
    assert said in caplog.text and said in photos.damage[0]


def test_a_tar_cut_short_gives_what_is_whole(photo_tars, tmp_path, caplog):
    tar = photo_tars / "train-0000.tar"
    offsets = header_offsets(tar)
    for cut, whole in ((offsets[5] + 600, 5), (offsets[5] + 100, 5), (offsets[5], 5), (offsets[5] - 100, 5)):
        (tmp_path / "cut.tar").write_bytes(tar.read_bytes()[:cut])
        caplog.clear()
        keys = [e.key for e in find_photos(tmp_path)]
        # Zeros that fill the last file up to a whole record may be missing without any loss.
        assert keys == [e.key for e in find_photos(tar)][: len(keys)] and whole - 1 <= len(keys) <= whole
        assert ("cut.tar: damaged at byte" in caplog.text) == (cut != offsets[5])


def test_an_unreadable_tar_among_others_is_left_out(photo_tars, tmp_path, caplog):
    (tmp_path / "a.tar").write_bytes(b"x" * 3000)
    (tmp_path / "b.tar").write_bytes(b"")
    (tmp_path / "c.tar").write_bytes((photo_tars / "train-0000.tar").read_bytes())
    photos = find_photos(tmp_path)
    assert len(photos) == 20 and len(photos.damage) == 2
    assert "a.tar: damaged at byte 0 of 3000" in caplog.text
    (tmp_path / "c.tar").unlink()
    with pytest.raises(DataError, match=r"no photographs found \(.*a\.tar: damaged .*b\.tar: damaged"):
        find_photos(tmp_path)


def test_a_tar_without_photographs_and_an_empty_one(tmp_path):
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        archive.addfile(tarfile.TarInfo("notes.txt"), io.BytesIO())
    tarfile.open(tmp_path / "b.tar", "w").close()
    with pytest.raises(DataError, match=r"no photographs found \(2 tar file"):
        find_photos(tmp_path)


def test_other_files_are_refused(tmp_path):
    (tmp_path / "a.zip").write_bytes(b"")
    with pytest.raises(DataError, match=r"a\.zip; expected \.tar"):
        find_photos(tmp_path / "a.zip")


def test_an_empty_folder_says_so(tmp_path):
    with pytest.raises(DataError, match=rf"{tmp_path}: no photographs found; expected \.jpg"):
        find_photos(tmp_path)


def test_a_network_that_fails_for_a_moment_is_asked_again(photo_tars, memory, monkeypatch):
    memory.pipe("/a.tar", (photo_tars / "train-0000.tar").read_bytes())
    monkeypatch.setattr(block_cache, "WAITS", (0, 0))
    photos = find_photos("memory://a.tar")
    read, failures = memory.cat_file, [OSError("reset"), TimeoutError("slow")]
    monkeypatch.setattr(type(memory), "cat_file", lambda self, *a, **k: _fail(failures) or read(*a, **k))
    assert decode(photos[3]).size == (96, 64)
    block_cache.clear()
    failures += [OSError("gone")] * 3
    with pytest.raises(DataError, match=r"memory://.*a\.tar: cannot be read .*gone.*--resume") as caught:
        decode(photos[3])
    assert "corrupt" not in str(caught.value)


def _fail(failures):
    if failures:
        raise failures.pop(0)
