"""Statistics of photographs whose sizes and colours are known."""

import numpy as np
import pytest
import skimage.data
from PIL import Image
from skimage.color import rgb2lab

from photochrom.data import plots
from photochrom.data.prior import measure_prior
from photochrom.data.sources import find_photos
from photochrom.data.stats import measure
from photochrom.errors import DataError


@pytest.fixture
def known(tmp_path):
    """Ten plain colours 40 x 50 ... 40 x 140, two greys, one tiny, one corrupt."""
    random = np.random.default_rng(0)
    for i in range(10):
        colour = tuple(int(v) for v in random.integers(0, 256, 3) // 2 + [120, 40, 0])
        Image.new("RGB", (40, 50 + 10 * i), colour).save(tmp_path / f"{i}.png")
    Image.fromarray(skimage.data.camera()[:300, :400]).save(tmp_path / "grey1.png")
    Image.fromarray(skimage.data.camera()).convert("RGB").save(tmp_path / "grey2.jpg")
    Image.fromarray(skimage.data.coffee()).resize((20, 1000)).save(tmp_path / "tiny.webp")
    (tmp_path / "corrupt.png").write_bytes(b"x")
    return tmp_path


def test_counts_and_sizes(known):
    stats = measure(find_photos(known))
    assert (stats.photographs, stats.sampled, stats.read) == (14, 14, 13)
    assert stats.formats == {"PNG": 11, "JPEG": 1, "WEBP": 1}
    assert stats.skipped.counts == {"grey": 2, "tiny": 1, "corrupt": 1}
    assert stats.grey_share == pytest.approx(2 / 13)
    summary = stats.summary()
    assert summary["short_side"] == (20, 40, 512) and summary["long_side"] == (50, 110, 1000)
    assert (summary["unreadable"], summary["tiny"], summary["near_grey"]) == (1, 1, 2)
    assert summary["left_out"]["grey"] == ["grey1.png", "grey2.jpg"]


def test_colours(known):
    (known / "tiny.webp").unlink()
    stats = measure(find_photos(known))
    plain = [np.asarray(Image.open(known / f"{i}.png"))[0, 0] for i in range(10)]
    ab = rgb2lab(np.array(plain)[None] / 255)[0, :, 1:]
    assert sorted(stats.chromas)[-10:] == pytest.approx(sorted(np.hypot(*ab.T)), abs=0.02)
    assert max(sorted(stats.chromas)[:2]) < 1
    assert np.allclose(stats.prior, measure_prior(find_photos(known)))


def test_the_parts_add_up_whatever_their_size(known, monkeypatch):
    whole, seen = measure(find_photos(known)), []
    monkeypatch.setattr("photochrom.data.survey.CHUNK", 3)
    assert measure(find_photos(known), progress=seen.append).summary() == whole.summary()
    assert sum(seen) == 14 and len(seen) == 5


def test_a_sample(known):
    assert measure(find_photos(known), 5).sampled == 5


def test_nothing_readable(tmp_path):
    (tmp_path / "a.png").write_bytes(b"x")
    with pytest.raises(DataError, match=r"no photograph could be read: 1 corrupt \(a\.png\)"):
        measure(find_photos(tmp_path))


def test_the_picture_counts_what_the_figures_say(known, tmp_path):
    stats = measure(find_photos(known))
    figure = plots.stats_figure(stats, "13 photographs")
    sizes, chroma = figure.axes[:2]
    assert sum(bar.get_height() for bar in sizes.patches) == 2 * stats.read
    assert sum(bar.get_height() for bar in chroma.patches) == stats.read
    assert "pixels" in sizes.get_xlabel() and "ab units" in chroma.get_xlabel()
    assert figure.axes[2].get_aspect() == 1
    plots.save(figure, tmp_path / "stats.png")
    assert Image.open(tmp_path / "stats.png").size[0] > 1000
