"""Encoded photographs: what the files hold, what is read from them, and a decoder trained on them."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional

from photochrom.data.photograph import decode
from photochrom.data.sources import find_photos
from photochrom.errors import DataError, OutputError, RecipeError
from photochrom.nets.lite import Encoder
from photochrom.training.decoder_task import DecoderTask
from photochrom.training.encoded import Encoded, EncodedPhotos, shapes
from photochrom.training.encoding import View, encode
from photochrom.training.lab_torch import rgb_to_lab
from photochrom.training.networks import load_imagenet
from photochrom.training.recipe import Data, load_recipe
from photochrom.training.run import train

AS_IT_IS = View(Data(size=64, least_area=1.0, mirror=False))
SETTINGS = [
    "network.stride=8", "network.frozen_blocks=16", "data.size=64", "data.workers=0", "training.batch=8",
    "training.visits=80", "training.threads=1", "training.validate_every=10", "training.log_every=1",
    "schedule.warmup=2", "loss.prior_photographs=20", "loss.distance=0.5",
]  # fmt: skip


@pytest.fixture(scope="module")
def squares(photo_folder, tmp_path_factory):
    """Square photographs, of which a crop of area 1 is the whole."""
    folder = tmp_path_factory.mktemp("squares")
    for file in photo_folder.rglob("*.png"):
        Image.open(file).crop((16, 0, 80, 64)).save(folder / file.name)
    return folder


@pytest.fixture(scope="module")
def views(squares, tmp_path_factory):
    """Two views of the photographs: as they are, and much changed."""
    folder = tmp_path_factory.mktemp("encoded")
    photos = find_photos(squares)
    assert encode(photos, folder / "plain.npy", AS_IT_IS).photographs == 40
    encode(photos, folder / "old.npy", View(Data(size=64, gamma=0.15, sharpness=1.0, noise=2.0, aged=0.5), seed=1))
    return folder


def rows(file):
    with np.load(file.with_suffix(".npz")) as side:
        return np.load(file), [str(key) for key in side["keys"]], side["scale"]


def lab_of(photos):
    """[N, 3, 64, 64]."""
    rgb = np.stack([np.asarray(decode(photo)).transpose(2, 0, 1) for photo in photos])
    return rgb_to_lab(torch.from_numpy(rgb))


def test_a_row_is_what_the_encoder_makes_of_the_photograph(squares, views):
    codes, keys, scale = rows(views / "plain.npy")
    photos = find_photos(squares)
    assert keys == [photo.key for photo in photos]
    lab = lab_of(photos)
    encoder = Encoder()
    load_imagenet(encoder)
    with torch.inference_mode():
        features = encoder.eval()(lab[:, :1])[1:]
    colours = functional.avg_pool2d(lab, 8)
    units = [*np.split(scale, np.cumsum([shape[0] for shape in shapes(64)[:2]])), np.ones(2), np.ones(1)]
    found = np.split(codes, np.cumsum([np.prod(shape) for shape in shapes(64)])[:-1], axis=1)
    for part, unit, wanted in zip(found, units, [*features, colours[:, 1:], colours[:, :1]], strict=True):
        expected = wanted.numpy() / unit[:, None, None]
        inside = np.abs(expected) < 127
        assert inside.mean() > 0.97  # measured on 32 of these 40
        assert np.abs(part.reshape(wanted.shape) - expected)[inside].max() < 0.51


def test_views_share_their_units_and_keep_the_colours_of_the_original(squares, views):
    plain, old = rows(views / "plain.npy"), rows(views / "old.npy")
    assert plain[1] == old[1] and np.array_equal(plain[2], old[2])
    changed = np.abs(plain[0].astype(int) - old[0]).mean(axis=1)
    assert (changed > 3).all()


def test_any_number_of_processes_writes_the_same(squares, views, tmp_path):
    encode(find_photos(squares), tmp_path / "two.npy", AS_IT_IS, jobs=2)
    assert (tmp_path / "two.npy").read_bytes() == (views / "plain.npy").read_bytes()


def test_unusable_photographs_are_left_out(squares, tmp_path):
    folder = tmp_path / "photographs"
    folder.mkdir()
    for i, file in enumerate(sorted(squares.rglob("*.png"))[:5]):
        (folder / f"{i}.png").write_bytes(file.read_bytes())
    Image.new("RGB", (64, 64), (90, 90, 90)).save(folder / "2b-grey.png")
    (folder / "1b-broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    written = encode(find_photos(folder), tmp_path / "some.npy", AS_IT_IS)
    assert written.photographs == 5 and dict(written.skipped.counts) == {"grey": 1, "corrupt": 1}
    codes, keys, _ = rows(tmp_path / "some.npy")
    assert len(codes) == 5 and keys == [f"{i}.png" for i in range(5)]


def test_nothing_is_overwritten(squares, views):
    before = (views / "plain.npy").read_bytes()
    with pytest.raises(OutputError, match="exists"):
        encode(find_photos(squares), views / "plain.npy", AS_IT_IS)
    assert (views / "plain.npy").read_bytes() == before


def test_every_epoch_shows_every_row_once_mirrored_or_not(views):
    photos = EncodedPhotos(views, seed=3)
    assert len(photos) == 80 and photos.size == 64
    stored = np.concatenate([rows(views / name)[0] for name in ("old.npy", "plain.npy")])
    for epoch in range(2):
        shown, mirrored = [], 0
        for position in range(80 * epoch, 80 * epoch + 80):
            row, at = photos[position]
            assert int(at) == position
            flat = _flat(row)
            as_stored = (stored == flat).all(axis=1)
            if not as_stored.any():
                mirrored += 1
                as_stored = (stored == _flat(Encoded(*(part.flip(2) for part in row)))).all(axis=1)
            shown.append(int(as_stored.argmax()))
            assert as_stored.sum() == 1
        assert sorted(shown) == list(range(80)) and 25 < mirrored < 55


def _flat(row):
    return torch.cat([part.flatten() for part in row]).numpy()


def test_what_a_position_shows_depends_on_the_seed_and_the_position_alone(views):
    one, again, other = (EncodedPhotos(views, seed) for seed in (5, 5, 6))
    assert all((_flat(one[p][0]) == _flat(again[p][0])).all() for p in (100, 3, 79))
    assert any((_flat(one[p][0]) != _flat(other[p][0])).any() for p in range(10))


def test_photographs_kept_from_training_are_left_out(views):
    keys = rows(views / "plain.npy")[1]
    assert len(EncodedPhotos(views, 0, frozenset(keys[:7]))) == 80 - 2 * 7


def test_the_decoder_sees_what_the_network_would(squares, views):
    recipe = load_recipe("lite", [*SETTINGS, f"data.encoded={views}"])
    encoded = EncodedPhotos(views, 0)
    task = DecoderTask(recipe, np.full(313, 1 / 313), encoded.scale)
    load_imagenet(task.network.encoder)
    codes, _, _ = rows(views / "plain.npy")
    parts = torch.from_numpy(codes).split([int(np.prod(shape)) for shape in shapes(64)], dim=1)
    crops = Encoded(*(part.reshape(-1, *shape) for part, shape in zip(parts, shapes(64), strict=True)))
    task.network.eval()
    with torch.inference_mode():
        found = task.network.head(task.network.decoded(*crops.scaled(encoded.scale)[:3]))
        expected = task.network(lab_of(find_photos(squares))[:, :1])
    assert found.shape == expected.shape == (40, 313, 8, 8)
    assert (found - expected).abs().mean() < 0.05 * expected.std()


def test_trains_the_decoder_alone_and_resumes(squares, views, tmp_path):
    settings = [*SETTINGS, f"data.encoded={views}", "loss.positions=16"]
    assert train(load_recipe("lite", settings), squares, tmp_path / "run") == 0
    state = torch.load(tmp_path / "run" / "last.ckpt", weights_only=True)["current_model_state"]
    encoder = Encoder()
    load_imagenet(encoder)
    for key, value in encoder.state_dict().items():
        torch.testing.assert_close(state[f"network.encoder.{key}"], value, rtol=0, atol=0)
    shorter = [*settings, "training.visits=40"]
    assert train(load_recipe("lite", shorter), squares, tmp_path / "two") == 0
    assert train(load_recipe("lite", settings), squares, tmp_path / "two", resume=True) == 0


@pytest.mark.parametrize(
    ("setting", "wrong"),
    [("network.stride=4", "stride"), ("network.frozen_blocks=5", "frozen_blocks"), ("loss.recognition=1.0", "recogn")],
)
def test_refuses_what_does_not_go_together(squares, views, tmp_path, setting, wrong):
    recipe = load_recipe("lite", [*SETTINGS, f"data.encoded={views}", setting])
    with pytest.raises(RecipeError, match=wrong):
        train(recipe, squares, tmp_path / "run")


def test_refuses_files_that_are_not_encoded_photographs(views, tmp_path):
    with pytest.raises(DataError, match="data encode"):
        EncodedPhotos(tmp_path, 0)
    np.save(tmp_path / "one.npy", np.zeros((3, 5), np.int8))
    with pytest.raises(DataError, match=r"one\.npz"):
        EncodedPhotos(tmp_path, 0)
    (tmp_path / "one.npz").write_bytes((views / "plain.npz").read_bytes())
    with pytest.raises(DataError, match=r"one\.npy: int8 \(3, 5\)"):
        EncodedPhotos(tmp_path, 0)


@pytest.mark.parametrize("name", ["plain.npy", "plain.npz"])
def test_refuses_a_damaged_file(views, tmp_path, name):
    for each in ("plain.npy", "plain.npz"):
        (tmp_path / each).write_bytes((views / each).read_bytes())
    whole = (views / name).read_bytes()
    (tmp_path / name).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=name):
        EncodedPhotos(tmp_path, 0)


def test_refuses_views_of_different_sizes(squares, views, tmp_path):
    for name in ("plain.npy", "plain.npz"):
        (tmp_path / name).write_bytes((views / name).read_bytes())
    encode(find_photos(squares), tmp_path / "small.npy", View(Data(size=32)))
    with pytest.raises(DataError, match="does not match"):
        EncodedPhotos(tmp_path, 0)
