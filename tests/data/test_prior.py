"""The prior equals a plain count of soft codes; what is no prior is refused."""

import io
import shutil

import numpy as np
import pytest
import skimage.data
from PIL import Image
from skimage.color import rgb2lab

from photochrom.ab_bins import CENTRES, Q
from photochrom.data import plots
from photochrom.data.prior import load_prior, measure_prior, save_prior, survey_prior
from photochrom.data.sources import find_photos
from photochrom.data.survey import sample, survey
from photochrom.errors import DataError


def plain_prior(files):
    """Section 2.2 step by step: of each photograph a third of its size, of each colour the 5 nearest bins."""
    total = np.zeros(Q)
    for file in files:
        small = np.asarray(Image.open(file).convert("RGB").reduce(3))
        assert small.shape == (22, 32, 3)
        codes = np.zeros(Q)
        for ab in rgb2lab(small)[..., 1:].reshape(-1, 2):
            squared = ((CENTRES - ab) ** 2).sum(1)
            near = np.argsort(squared, kind="stable")[:5]
            weights = np.exp(-squared[near] / (2 * 5.0**2))
            codes[near] += weights / weights.sum()
        total += codes / (22 * 32)
    return total / len(files)


def test_it_is_the_mean_soft_code(photo_folder):
    expected = plain_prior(sorted(photo_folder.rglob("*.png"))[::6])
    found = measure_prior(find_photos(photo_folder).take(np.arange(0, 40, 6)))
    assert found.sum() == pytest.approx(1)
    assert np.abs(found - expected).max() < 1e-4 * expected.max()


def test_any_number_of_processes_gives_the_same_bits(photo_tars, monkeypatch):
    photos = find_photos(photo_tars)
    monkeypatch.setattr("photochrom.data.survey.CHUNK", 7)
    assert (measure_prior(photos) == measure_prior(photos, jobs=2)).all()


def test_a_survey_keeps_the_order(photo_tars, monkeypatch):
    photos = find_photos(photo_tars)
    monkeypatch.setattr("photochrom.data.survey.CHUNK", 3)
    keys = [key for part in survey(photos, np.arange(40), keys_of, jobs=2) for key in part]
    assert keys == [entry.key for entry in photos]


def keys_of(entries):
    return [entry.key for entry in entries]


def test_a_sample_is_drawn_without_replacement(photo_tars):
    photos = find_photos(photo_tars)
    drawn = sample(photos, 15, 3)
    assert len(set(drawn)) == 15 and (np.diff(drawn) > 0).all() and (drawn != sample(photos, 15, 4)).any()
    assert (sample(photos, 15, 3) == drawn).all() and (sample(photos, 99, 3) == np.arange(40)).all()
    assert survey_prior(photos, 15).photographs == 15


def test_corrupt_tiny_and_grey_ones_are_left_out_and_named(photo_folder, tmp_path):
    shutil.copytree(photo_folder, tmp_path / "all")
    Image.fromarray(skimage.data.camera()).save(tmp_path / "all" / "grey.png")
    Image.fromarray(skimage.data.coffee()).resize((20, 20)).save(tmp_path / "all" / "tiny.png")
    (tmp_path / "all" / "corrupt.png").write_bytes(b"x")
    seen = []
    measured = survey_prior(find_photos(tmp_path / "all"), progress=seen.append)
    assert np.allclose(measured.prior, measure_prior(find_photos(photo_folder)), rtol=0, atol=1e-12)
    assert measured.photographs == 40 and sum(seen) == 43
    assert measured.skipped.names == {"grey": ["grey.png"], "tiny": ["tiny.png"], "corrupt": ["corrupt.png"]}


def test_greys_only_have_no_prior(tmp_path):
    for i in range(3):
        Image.fromarray(skimage.data.camera()[64 * i :]).save(tmp_path / f"{i}.png")
    with pytest.raises(DataError, match=r"all of 3 photographs are left out: 3 grey \(0\.png, 1\.png, 2\.png\)"):
        measure_prior(find_photos(tmp_path))


def test_saved_and_loaded(tmp_path):
    prior = np.random.default_rng(0).dirichlet(np.ones(Q))
    save_prior(tmp_path / "p.npz", prior, 12, "abc")
    np.save(tmp_path / "p.npy", prior.astype(np.float32))
    assert (load_prior(tmp_path / "p.npz") == prior).all()
    assert load_prior(tmp_path / "p.npy") == pytest.approx(prior, rel=1e-6)


def saved(values):
    buffer = io.BytesIO()
    np.save(buffer, values, allow_pickle=True)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (saved(np.ones(312) / 312), r"shape \[312\]; expected \[313\]"),
        (saved(np.ones((313, 1))), r"shape \[313, 1\]"),
        (saved(np.full(313, np.nan)), "expected a distribution"),
        (saved(-np.ones(313)), "expected a distribution"),
        (saved(np.zeros(313)), "expected a distribution"),
        (saved(np.array(["a"] * 313)), "expected a distribution"),
        (saved(np.array([{}] * 313)), "not a prior"),  # a pickle: never opened
        (b"", "not a prior"),
        (b"PK\x03\x04 cut short", "not a prior"),
        (b"text", "not a prior"),
    ],
)
def test_what_is_no_prior_is_refused(tmp_path, content, message):
    (tmp_path / "p.npz").write_bytes(content)
    with pytest.raises(DataError, match=rf"p\.npz: .*{message}.*photochrom data prior"):
        load_prior(tmp_path / "p.npz")


def test_the_picture_shows_each_bin_at_its_place():
    prior = np.zeros(Q)
    chosen = [int(np.flatnonzero((place == CENTRES).all(1))[0]) for place in ((0, 0), (-90, 50), (100, -90))]
    prior[chosen] = 0.9, 0.09, 0.01
    figure = plots.prior_figure(prior, "title")
    for axes in figure.axes[:2]:
        assert axes.get_aspect() == 1 and "a:" in axes.get_xlabel() and "b:" in axes.get_ylabel()
    image = figure.axes[1].get_images()[0]
    plane, (left, right, bottom, top) = image.get_array(), image.get_extent()
    coloured = {}
    for row, column in np.argwhere((np.asarray(plane) < 1).any(-1)):
        a = left + (column + 0.5) * (right - left) / plane.shape[1]
        b = bottom + (row + 0.5) * (top - bottom) / plane.shape[0]
        coloured[round(a), round(b)] = tuple(plane[row, column])
    assert set(coloured) == {(0, 0), (-90, 50), (100, -90)} and len(set(coloured.values())) == 3
    assert image.origin == "lower"


def test_the_picture_is_a_png(tmp_path):
    plots.save(plots.prior_figure(np.full(Q, 1 / Q), "even"), tmp_path / "prior.part")
    assert Image.open(tmp_path / "prior.part").format == "PNG"
