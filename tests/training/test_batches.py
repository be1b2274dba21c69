"""The order of the data: the same for a folder, tars and Parquet, a function of (seed, position), split without
overlap; what cannot be used is replaced, counted and named."""

import io
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import skimage.data
import torch
from PIL import Image
from torch.utils.data import DataLoader

from photochrom.data.skips import read_skips
from photochrom.errors import DataError
from photochrom.training.batches import (
    CropSettings,
    Lanes,
    Limits,
    Positions,
    TrainingPhotos,
    ValidationPhotos,
    decode,
    find_photos,
    fingerprint,
    random_crop,
)


@pytest.fixture(scope="module")
def photo_parquet(photo_folder, tmp_path_factory):
    """The same photographs in three Parquet files of row groups of 3."""
    folder = tmp_path_factory.mktemp("parquet")
    photographs = [p.read_bytes() for p in sorted(photo_folder.rglob("*.png"))]
    for number in range(3):
        table = pa.table({"image": pa.array(photographs[number::3], pa.binary())})
        pq.write_table(table, folder / f"{number}.parquet", row_group_size=3)
    return folder


@pytest.fixture
def mixed_folder(photo_folder, tmp_path):
    """Ten photographs that can be used, and five that cannot."""
    for i, entry in enumerate(find_photos(photo_folder)[:10]):
        (tmp_path / f"{i:02d}-good.png").write_bytes(entry.read())
    camera = Image.fromarray(skimage.data.camera()).resize((64, 64))
    camera.save(tmp_path / "01-grey.png")
    camera.convert("RGB").save(tmp_path / "08-grey.jpg")
    Image.fromarray(skimage.data.coffee()).resize((200, 20)).save(tmp_path / "04-tiny.png")
    (tmp_path / "05-corrupt.png").write_bytes(b"not a picture")
    whole = io.BytesIO()
    Image.fromarray(skimage.data.coffee()).save(whole, "JPEG")
    (tmp_path / "06-corrupt.jpg").write_bytes(whole.getvalue()[:5000])
    return tmp_path


REASONS = {"grey": 2, "tiny": 1, "corrupt": 2}


def test_a_folder_and_tars_hold_the_same_photographs(photo_folder, photo_tars):
    folder = {entry.key.rsplit("/", 1)[-1]: np.asarray(decode(entry)) for entry in find_photos(photo_folder)}
    tars = {entry.key: np.asarray(decode(entry)) for entry in find_photos(photo_tars)}
    assert len(folder) == 40 and folder.keys() == tars.keys()
    assert all((folder[key] == tars[key]).all() for key in folder)


@pytest.mark.parametrize("kind", ["photo_folder", "photo_tars", "photo_parquet"])
def test_every_epoch_shows_every_photograph_once(kind, request):
    entries = find_photos(request.getfixturevalue(kind))
    photos = TrainingPhotos(entries, CropSettings(64, (1.0, 1.0), False), seed=3)  # the whole height
    means = {np.asarray(decode(entry), np.float32)[:, :48].mean(): entry.key for entry in entries}
    assert len(means) == 40
    for epoch in range(2):
        shown = [photos.order(position) for position in range(epoch * 40, epoch * 40 + 40)]
        assert sorted(shown) == list(range(40)) and shown != list(range(40))
        for position in (epoch * 40 + 1, epoch * 40 + 17):
            image = np.asarray(decode(entries[photos.order(position)]))
            crop = photos[position].permute(1, 2, 0).numpy()
            assert any((image[:, x : x + 64].astype(int) - crop).std() < 12 for x in range(33))


def test_a_position_is_a_pure_function_of_the_seed(photo_tars):
    entries, crops = find_photos(photo_tars), CropSettings(32)
    one, again, other = (TrainingPhotos(entries, crops, seed) for seed in (5, 5, 6))
    assert (one[77] == again[77]).all()
    assert any((one[p] != other[p]).any() for p in range(4))
    assert one[77].shape == (3, 32, 32)


@pytest.mark.parametrize("ranks", [1, 2, 4])
def test_ranks_share_each_batch_without_overlap(ranks):
    alone = [p for batch in Positions(3, 9, 8) for p in batch]
    parts = [list(Positions(3, 9, 8 // ranks, rank, ranks)) for rank in range(ranks)]
    together = [p for step in range(6) for rank in range(ranks) for p in parts[rank][step]]
    assert together == alone


def test_starting_later_gives_the_rest():
    assert list(Positions(0, 10, 4))[6:] == list(Positions(6, 10, 4))


@pytest.mark.parametrize("lanes", [None, Lanes(2, 4)])
def test_workers_and_ranks_give_what_one_process_gives(photo_parquet, lanes):
    def batches(workers, start=0, ranks=1):
        photos = TrainingPhotos(find_photos(photo_parquet), CropSettings(32), 2, lanes=lanes)
        loaders = [
            DataLoader(photos, batch_sampler=Positions(start, 12, 8 // ranks, rank, ranks), num_workers=workers)
            for rank in range(ranks)
        ]
        return [torch.cat(parts) for parts in zip(*loaders, strict=True)]

    alone = batches(0)
    assert len(alone) == 12
    assert all(torch.equal(a, b) for a, b in zip(alone, batches(2), strict=True))
    assert all(torch.equal(a, b) for a, b in zip(alone[5:], batches(1, start=5, ranks=2), strict=True))


def test_crops_are_the_photograph(photo_folder):
    """A crop of the whole square, not mirrored, is what Pillow's own crop and resize give."""
    image = decode(find_photos(photo_folder)[0])
    found = random_crop(image, CropSettings(64, (1.0, 1.0), False), np.random.default_rng(1))
    left = np.random.default_rng(1)
    left.uniform(1, 1)
    x = left.uniform(0, image.width - 64)
    expected = np.asarray(image.resize((64, 64), Image.Resampling.BILINEAR, (x, 0, x + 64, 64)))
    assert (found.transpose(1, 2, 0) == expected).all()


def test_what_cannot_be_used_is_replaced_by_the_next(mixed_folder):
    entries = find_photos(mixed_folder)
    photos = TrainingPhotos(entries, CropSettings(32), 0)
    names = [entry.key for entry in entries]
    assert names.index("05-corrupt.png") == names.index("04-tiny.png") + 1  # two in a row
    expected = {
        "01-grey.png": "02-good.png", "04-tiny.png": "05-good.png", "05-corrupt.png": "05-good.png",
        "06-corrupt.jpg": "06-good.png", "08-grey.jpg": "09-good.png",
    }  # fmt: skip
    for position in range(15):
        name = names[photos.order(position)]
        good = decode(entries[names.index(expected.get(name, name))])
        crop = random_crop(good, CropSettings(32), np.random.default_rng((0, position)))
        assert (photos[position].numpy() == crop).all(), name
    assert photos.skipped.counts == REASONS
    assert photos.skipped.names["tiny"] == ["04-tiny.png"]
    assert sorted(photos.skipped.names["corrupt"]) == ["05-corrupt.png", "06-corrupt.jpg"]


def test_what_a_position_shows_does_not_depend_on_what_was_met_before(mixed_folder):
    def photos():
        return TrainingPhotos(find_photos(mixed_folder), CropSettings(32), 1)

    walked = photos()
    shown = [walked[position] for position in range(45)]
    assert all(torch.equal(photos()[position], shown[position]) for position in range(0, 45, 4))


def test_workers_name_what_they_leave_out_in_one_file(mixed_folder, tmp_path_factory):
    file = tmp_path_factory.mktemp("run") / "skipped.jsonl"
    photos = TrainingPhotos(find_photos(mixed_folder), CropSettings(32), 0, skipped_file=file)
    loader = DataLoader(photos, batch_sampler=Positions(0, 30, 4), num_workers=2)
    assert sum(len(batch) for batch in loader) == 120
    assert read_skips(file).counts == REASONS
    assert {json.loads(line)["file"] for line in file.read_text().splitlines()} == {mixed_folder.name}


def test_limits_decide(mixed_folder):
    everything = TrainingPhotos(find_photos(mixed_folder), CropSettings(32), 0, Limits(min_side=1, grey=False))
    for position in range(15):
        assert everything[position].shape == (3, 32, 32)
    assert everything.skipped.counts == {"corrupt": 2}


@pytest.mark.parametrize("make", [TrainingPhotos, lambda entries, crops, seed: ValidationPhotos(entries, crops.size)])
def test_a_folder_of_greys_only_says_so(tmp_path, make):
    for i in range(3):
        Image.fromarray(skimage.data.camera()[i * 64 : i * 64 + 64, :64]).save(tmp_path / f"{i}.png")
    with pytest.raises(DataError, match=r"none of the 3 .*photographs can be used: 3 grey \((\d\.png(, )?){3}\)"):
        make(find_photos(tmp_path), CropSettings(32), 0)[0]


def test_nothing_readable_is_an_error(tmp_path):
    (tmp_path / "a.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"none of the 1 .*1 corrupt \(a\.png\)"):
        TrainingPhotos(find_photos(tmp_path), CropSettings(32), 0)[0]


def test_validation_goes_on_without_what_cannot_be_used(mixed_folder):
    photos = ValidationPhotos(find_photos(mixed_folder), 48)
    batch = torch.stack([photos[i] for i in range(len(photos))])
    assert batch.shape == (15, 3, 48, 48) and photos.skipped.counts == REASONS
    with pytest.raises(IndexError):
        photos[15]


def test_validation_photographs_are_centred(photo_folder, photo_parquet):
    image = decode(find_photos(photo_folder)[4])
    expected = np.asarray(image.crop((16, 0, 80, 64)).resize((32, 32), Image.Resampling.BILINEAR))
    found = ValidationPhotos(find_photos(photo_folder), 32)[4].permute(1, 2, 0).numpy()
    assert (found == expected)[:, 1:-1].all()  # at the crop's sides Pillow looks beyond it
    twice = ValidationPhotos(find_photos(photo_parquet), 32)
    assert torch.equal(twice[3], twice[3])


@pytest.mark.parametrize("make", [lambda p: p / "missing", lambda p: p])
def test_no_photographs_is_an_error_that_names_the_place(tmp_path, make):
    with pytest.raises(DataError, match=str(make(tmp_path))):
        find_photos(make(tmp_path))


def test_a_damaged_tar_is_named(tmp_path):
    (tmp_path / "bad.tar").write_bytes(b"x" * 1000)
    with pytest.raises(DataError, match=r"bad\.tar"):
        find_photos(tmp_path)


@pytest.mark.parametrize("kind", ["photo_folder", "photo_tars", "photo_parquet"])
def test_the_fingerprint_tells_data_apart(kind, request):
    entries = find_photos(request.getfixturevalue(kind))
    assert fingerprint(entries) == fingerprint(list(entries)) != fingerprint(entries[1:])
