"""The list of photographs: small, split by the keys alone, the same however it was made."""

import tracemalloc

import pyarrow as pa
import pyarrow.parquet as pq

from photochrom.data.photo_list import Builder, PhotoList, fingerprint
from photochrom.data.sources import find_photos


def test_a_list_of_a_million_is_small():
    """Some 100 bytes a photograph, measured on 50,000 of ImageNet's names."""
    builder = Builder()
    builder.sources.append(None)
    tracemalloc.start()
    for i in range(50_000):
        builder.add(f"n01440764/n01440764_{i:05d}.JPEG", 0, i * 100_000, 100_000)
    photos = builder.build()
    training, held_out = photos.split()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(training) + len(held_out) == 50_000
    assert peak / 50_000 < 350
    assert sum(c.nbytes for c in photos._columns.values()) / 50_000 + 31 < 100


def test_splits_and_slices(photo_tars):
    builder = Builder()
    builder.sources += find_photos(photo_tars).sources
    for i in range(500):
        builder.add(f"{i}.png", i % 2, 512 * i, i)
    photos = builder.build()
    training, held_out = photos.split()
    assert 2 <= len(held_out) <= 16
    assert [e.key for e in held_out] == [e.key for e in photos if e.held_out]
    assert [e.key for e in training] == [e.key for e in photos if not e.held_out]
    assert [e.key for e in photos[3:9]] == [photos[i].key for i in range(3, 9)]
    again = PhotoList.of([e for e in photos if not e.held_out])
    assert fingerprint(again) == fingerprint(training) != fingerprint(photos)
    assert again[5].read() == training[5].read()


def test_a_list_of_entries_keeps_its_blocks(photo_folder, tmp_path):
    photographs = [p.read_bytes() for p in sorted(photo_folder.rglob("*.png"))]
    pq.write_table(pa.table({"image": photographs}), tmp_path / "a.parquet", row_group_size=7)
    photos = find_photos(tmp_path)
    again = PhotoList.of(list(photos))
    assert (again.block_of == photos.block_of).all() and fingerprint(again) == fingerprint(photos)
    assert again[11].read() == photos[11].read()
