from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from photochrom.colorizer import Colorizer, load
from photochrom.errors import ModelError
from photochrom.evaluation.baselines import Grey
from photochrom.evaluation.photographs import list_photographs, read_crop, read_whole
from photochrom.evaluation.report.model_view import view, views
from photochrom.evaluation.systems import ModelSystem, Saturated

from ..example import BLUE, RED, bins_model


@pytest.fixture(scope="module")
def bins(tmp_path_factory: pytest.TempPathFactory) -> Colorizer:
    return load(bins_model(tmp_path_factory.mktemp("bins") / "bins.onnx"), threads=1)


def test_colours_at_a_temperature_are_the_system_s(photographs: Path, bins: Colorizer, warm_model: Path) -> None:
    """Also where they come from the distribution instead of the graph's own decoding."""
    path = list_photographs(photographs)[1]
    for colorizer in (bins, load(warm_model, threads=1)):
        for photograph in (read_crop(path, 256), read_whole(path)):
            systems = [ModelSystem("model", colorizer, temperature) for temperature in (0.1, 0.38, 1.0)]
            seen = view(systems[0])
            assert seen is not None
            for system, given in zip(systems, seen.ab_at(photograph, (0.1, 0.38, 1.0)), strict=True):
                np.testing.assert_allclose(given, system.ab(photograph), atol=1e-3)


def test_the_mode_is_one_of_the_bins(photographs: Path, bins: Colorizer) -> None:
    photograph = read_crop(list_photographs(photographs)[0], 64)  # the network's own size: nothing is resampled
    seen = view(ModelSystem("bins", bins))
    assert seen is not None
    given = seen.ab_at(photograph, (0.0,))[0][2::4, 2::4].reshape(-1, 2)
    exact = [(np.abs(given - colour).max(1) < 1e-3).any() for colour in (RED, BLUE)]
    assert all(exact)


def test_saturated_systems_are_looked_through(photographs: Path, bins: Colorizer) -> None:
    photograph = read_crop(list_photographs(photographs)[0], 256)
    system = Saturated(Saturated(ModelSystem("bins", bins, 0.5), 0.5), 0.8)
    seen = view(system)
    assert seen is not None
    assert (seen.name, seen.system, seen.temperatures) == ("bins S=0.4", "bins T=0.5 S=0.5 S=0.8", (0.5,))
    np.testing.assert_allclose(seen.ab_at(photograph, (0.5,))[0], system.ab(photograph), atol=1e-3)


def test_systems_that_share_a_network(bins: Colorizer, warm_model: Path) -> None:
    warm = load(warm_model, threads=1)
    systems = [Grey(), ModelSystem("bins", bins), ModelSystem("bins", bins, 0.7), ModelSystem("warm", warm)]
    found = views([*systems, Saturated(systems[1], 0.5)])
    assert [each.name for each in found] == ["bins", "warm", "bins S=0.5"]
    assert found[0].temperatures == (0.38, 0.7) and found[0].system == "bins"
    assert [each.has_probabilities for each in found] == [True, False, True]
    assert view(Grey()) is None


def test_a_model_without_a_distribution_says_so(photographs: Path, warm_model: Path) -> None:
    seen = view(ModelSystem("warm", load(warm_model, threads=1)))
    assert seen is not None
    with pytest.raises(ModelError, match=r"warm\.onnx: gives no distribution"):
        seen.probabilities(read_crop(list_photographs(photographs)[0], 64))
