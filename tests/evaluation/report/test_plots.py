from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import pyvips
from numpy.typing import NDArray
from scipy import stats
from skimage.color import lab2rgb

from photochrom.ab_bins import CENTRES, Q
from photochrom.evaluation.baselines import Grey, Truth, make_baseline
from photochrom.evaluation.photographs import list_photographs
from photochrom.evaluation.report import plane_plots, plots
from photochrom.evaluation.report.multimodal import MultimodalPixel
from photochrom.evaluation.report.plot_style import Style, styles
from photochrom.evaluation.report.temperature_sweep import Sweep
from photochrom.evaluation.results import Evaluation

from ..example import evaluate


@pytest.fixture(scope="module")
def evaluation(photographs: Path) -> Evaluation:
    names = [path.name for path in list_photographs(photographs)][:2]
    even = list_photographs(photographs)
    return evaluate(photographs, names, [Grey(), Truth(), make_baseline("random", even)])


def pixels_of(svg: bytes) -> NDArray[np.uint8]:
    ElementTree.fromstring(svg)  # well-formed
    return pyvips.Image.new_from_buffer(svg, "", dpi=96).flatten(background=255).numpy()


def shows(picture: NDArray[np.uint8], colour: str) -> bool:
    wanted = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    return bool((np.abs(picture.astype(int) - wanted).max(-1) < 12).sum() > 20)


def test_styles_tell_systems_apart(evaluation: Evaluation) -> None:
    models = [replace(evaluation.systems[0], name=f"model {i}", kind="model") for i in range(18)]
    look = styles([*evaluation.systems, *models])
    assert len({(style.colour, style.dashes) for style in look.values()}) == 21
    assert look["grey"].colour == look["random"].colour != look["truth"].colour
    first = [look[f"model {i}"] for i in range(6)]
    for one, other in itertools.combinations(first, 2):
        difference = np.subtract(*([int(s.colour[i : i + 2], 16) for i in (1, 3, 5)] for s in (one, other)))
        assert np.abs(difference).max() > 40


def test_a_model_called_grey_is_drawn_as_a_model(evaluation: Evaluation) -> None:
    look = styles([replace(evaluation.systems[0], kind="model")])
    assert look["grey"].colour == "#0072B2"


@pytest.mark.parametrize("row", [plots.PLAIN, plots.REBALANCED])
def test_error_curves(evaluation: Evaluation, row: int) -> None:
    look = {"grey": Style("#ff0000", ()), "truth": Style("#0000ff", ()), "random": Style("#00aa00", (4, 1))}
    picture = pixels_of(plots.error_curves(evaluation.systems, look, row))
    assert all(shows(picture, style.colour) for style in look.values())
    # Truth's curve runs along the top; grey's is at the bottom left.
    blue = np.nonzero(np.abs(picture.astype(int) - (0, 0, 255)).max(-1) < 12)
    assert np.ptp(blue[1]) > 0.8 * picture.shape[1] * 0.85 and np.median(blue[0]) < 0.15 * picture.shape[0]
    end = plots.curve_end(evaluation.systems, row)
    worst = min((system.curves[row] for system in evaluation.systems), key=lambda curve: curve.sum())
    assert end % 10 == 0 and (end == 150 or worst[end] >= plots.NEARLY_ALL > worst[end - 10])


def test_a_curve_that_never_gets_there(evaluation: Evaluation) -> None:
    far = replace(evaluation.systems[0], curves=np.zeros((2, 151)))
    assert plots.curve_end([far], plots.PLAIN) == 150


def test_chroma_plots(evaluation: Evaluation) -> None:
    look = {**styles(evaluation.systems), "random": Style("#ff0000", ())}
    for plot in (plots.chroma_histogram, plots.chroma_at_least):
        picture = pixels_of(plot(evaluation, look))
        assert shows(picture, "#ff0000") and shows(picture, "#dedede")  # the system and the originals


def test_one_colour_stays_in_one_class() -> None:
    """Wherever it is: cells from (a, b) to (a + 4, b + 4), counted whole where their centre is."""
    for row, column in ((34, 34), (32, 32), (20, 45), (63, 0)):
        counts = np.zeros((64, 64), np.int64)
        counts[row, column] = 7
        edges, share = plots.chroma_classes(counts)
        centre = float(np.hypot(4 * row - 126, 4 * column - 126))
        assert share.max() == share.sum() == 1
        left = edges[share.argmax()]
        assert left <= centre < left + plots.CHROMA_CLASS
    assert plots.chroma_classes(np.zeros((64, 64), np.int64))[1].sum() == 0


def test_classes_of_chroma_hold_about_the_right_share() -> None:
    ab = np.random.default_rng(1).normal(0, 25, (2, 300_000))
    counts = np.histogram2d(*ab, bins=[np.arange(-128, 129, 4)] * 2)[0].astype(np.int64)
    edges, share = plots.chroma_classes(counts)
    assert (np.diff(edges) == plots.CHROMA_CLASS).all() and len(edges) == len(share) + 1
    assert np.abs(share - np.diff(stats.rayleigh.cdf(edges, scale=25))).max() < 0.02
    above = share[::-1].cumsum()[::-1]
    assert np.abs(above - stats.rayleigh.sf(edges[:-1], scale=25)).max() < 0.02


def test_one_colour_is_a_box(evaluation: Evaluation) -> None:
    """Straight sides and a flat top: no wedge."""
    counts = np.zeros((64, 64), np.int64)
    counts[40, 32] = 1000
    one = replace(evaluation.systems[2], ab_counts=counts)
    look = {"random": Style("#ff0000", ())}
    for plot in (plots.chroma_histogram, plots.chroma_at_least):
        picture = pixels_of(plot(replace(evaluation, systems=[one]), look)).astype(int)
        red = (picture[..., 0] > 180) & (picture[..., 1:].max(-1) < 100)
        columns = np.flatnonzero(red.sum(0) > 100)  # the two sides
        assert np.ptp(columns) > 10 and (np.diff(columns) > 5).sum() == 1
        inner = red[:, columns[0] + 6 : columns[-1] - 5]
        assert (inner.sum(0) > 0).all() and np.ptp(np.nonzero(inner)[0]) < 6


def test_temperature_plots() -> None:
    values = np.array([25.0, 22, 20])
    sweep = Sweep("model", "model T=0.38", (0.0, 0.38, 1.0), (0.38,), values, values[::-1] + 10, (b"",) * 3)
    look = {"model T=0.38": Style("#ff0000", ())}
    for plot in (plots.temperature_errors([sweep], look), plots.temperature_colourfulness([sweep], look, 40.0)):
        picture = pixels_of(plot)
        assert shows(picture, "#ff0000")
    assert plots.temperature_errors([sweep], look) == plots.temperature_errors([sweep], look)  # the same bytes


def test_the_plane_shows_what_is_used(evaluation: Evaluation) -> None:
    counts = np.zeros((64, 64), np.int64)
    counts[44:50, 40:46] = 1000  # a = 48..72, b = 32..56: orange red
    nothing = np.zeros((64, 64), np.int64)
    full, empty = (pixels_of(plane_plots.ab_plane(each, evaluation.true_ab_counts)) for each in (counts, nothing))
    stronger = full.astype(int).sum(-1) < empty.astype(int).sum(-1) - 100
    rows, columns = np.nonzero(stronger)
    assert len(rows) > 100
    assert (full[stronger][:, 0] > full[stronger][:, 2]).all()
    height, width = full.shape[:2]
    assert columns.min() > 0.55 * width and rows.max() < 0.5 * height  # right of grey and above it
    assert shows(empty, "#333333")  # the line around the originals
    assert pixels_of(plane_plots.ab_plane(nothing, nothing)).shape == full.shape


def test_the_plane_of_the_words_has_its_colours_where_it_says() -> None:
    picture = pixels_of(plane_plots.words_plane()).astype(int)
    height, width = picture.shape[:2]
    vivid = np.ptp(picture, axis=-1) > 120
    rows, columns = np.indices((height, width))
    middle = {}
    for name, channel in (("red", 0), ("green", 1), ("blue", 2)):
        mask = vivid & (picture[..., channel] > 200) & (np.delete(picture, channel, -1).max(-1) < 110)
        assert mask.sum() > 20, name
        middle[name] = rows[mask].mean() / height, columns[mask].mean() / width
    assert middle["red"][1] > 0.6 > 0.4 > middle["green"][1] and middle["blue"][0] > 0.6 > middle["red"][0]


def test_more_pixels_are_stronger() -> None:
    strength = plane_plots._strength(np.array([-9.0, -6, -4, -2, 0]))
    assert strength.tolist() == [0.25, 0.25, 0.625, 1, 1]
    grey = plane_plots._colour(np.zeros((5, 2)), strength)
    assert (np.diff(grey[1:4, 0]) < 0).all() and np.ptp(grey, axis=-1).max() < 1e-3


def test_entropy_maps_are_viridis() -> None:
    from matplotlib import colormaps

    shown = plane_plots.entropy_map(np.array([[1.0, 2.0, 3.0, 9.0]]), 1, 3)
    expected = colormaps["viridis"]([0.0, 0.5, 1.0, 1.0])[:, :3] * 255
    assert np.abs(shown[0] - expected).max() <= 3
    assert shows(pixels_of(plane_plots.entropy_scale(1, 3)), "#21918c")  # its middle


def test_bins_have_their_own_colours() -> None:
    for lightness, level in ((60, 60), (5, 50), (99, 75)):
        lab = np.concatenate([np.full((Q, 1), float(level)), CENTRES], axis=1)
        with np.errstate(invalid="ignore"):
            expected = lab2rgb(lab[:, None])[:, 0]
        inside = (expected > 0.001).all(1) & (expected < 0.999).all(1)
        assert inside.sum() > 60
        assert np.abs(plane_plots.bin_colours(lightness)[inside] - expected[inside]).max() < 0.01


def test_the_distribution_of_a_pixel() -> None:
    p = np.zeros(Q, np.float32)
    for colour, part in (((60, 40), 0.6), ((-40, 40), 0.4)):
        p[int((colour == CENTRES).all(1).argmax())] = part
    pixel = MultimodalPixel("a.jpg", p, 60.0, (60, 40), (-40, 40), 0.6, 0.4, (50, -80), (-60, 80), b"", b"", 0.4)
    picture = pyvips.Image.new_from_buffer(plane_plots.bin_plane(pixel), "").numpy().astype(int)
    red = (picture[..., 0] > 200) & (picture[..., 1] < 130) & (picture[..., 2] < 130)
    green = (picture[..., 1] > 130) & (picture[..., 0] < 110) & (picture[..., 2] < 130)
    assert red.sum() > 200 and green.sum() > 200
    assert np.nonzero(red)[1].mean() > np.nonzero(green)[1].mean() + 100
