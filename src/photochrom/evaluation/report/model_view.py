"""The networks of evaluated systems, for other temperatures and distributions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...colorizer import Colorizer
from ...merge import AbMap
from ...photo.reading import resampled_lightness
from ...plain_areas import restrained
from ..photographs import Photograph
from ..systems import ModelSystem, Saturated, System, upsample
from .distributions import annealed


@dataclass(frozen=True)
class ModelView:
    """A network, its temperature aside: systems that differ in their temperature alone share one.

    name: what to call it; system: the first system with it; temperatures: those of its systems.
    """

    name: str
    system: str
    colorizer: Colorizer
    saturation: float
    temperatures: tuple[float, ...]

    @property
    def has_probabilities(self) -> bool:
        return self.colorizer.info.has_probabilities

    def probabilities(self, photograph: Photograph) -> NDArray[np.float32]:
        """The distributions at the network's resolution, [313, h, w]; as many cells as the photograph touches."""
        return self.colorizer.predict_probabilities(self._lightness(photograph))

    def cells(self, photograph: Photograph) -> tuple[float, float]:
        """How many rows and columns of the network's map the photograph covers, fractional."""
        rows, columns = self.colorizer.network_size(*photograph.rgb.shape[:2])
        stride = self.colorizer.info.stride
        return rows / stride, columns / stride

    def ab_at(self, photograph: Photograph, temperatures: Sequence[float]) -> list[NDArray[np.float32]]:
        """The colours [H, W, 2] at each temperature, 0 being the mode; the network runs once if it can."""
        lightness = self._lightness(photograph)
        if self.has_probabilities:
            distribution = self.probabilities(photograph)
            coarse = [annealed(distribution, temperature) for temperature in temperatures]
        else:
            coarse = [
                self.colorizer.predict_ab(lightness, t) if t else self.colorizer.predict_ab(lightness, decode="mode")
                for t in temperatures
            ]
        height, width = photograph.rgb.shape[:2]
        factor = np.float32(self.saturation)
        maps = [restrained(AbMap(ab, self.cells(photograph)), lightness) for ab in coarse]
        return [upsample(np.moveaxis(each.ab, 0, -1), height, width, *each.cells) * factor for each in maps]

    def _lightness(self, photograph: Photograph) -> NDArray[np.float32]:
        return resampled_lightness(photograph.rgb, *self.colorizer.network_size(*photograph.rgb.shape[:2]))


def view(system: System) -> ModelView | None:
    """The network behind one system; None for what is not a model."""
    saturation, base = 1.0, system
    while isinstance(base, Saturated):
        saturation, base = saturation * float(base.saturation), base.system
    if not isinstance(base, ModelSystem):
        return None
    own = base.temperature
    name = base.name if own is None else base.name.removesuffix(f" T={own:g}")
    if saturation != 1:
        name += f" S={saturation:g}"
    temperature = base.colorizer.info.temperature if own is None else own
    return ModelView(name, system.name, base.colorizer, saturation, (temperature,))


def views(systems: Sequence[System]) -> list[ModelView]:
    """The different networks behind systems, each once, in their order."""
    found: dict[tuple[int, float], ModelView] = {}
    for system in systems:
        seen = view(system)
        if seen is None:
            continue
        key = (id(seen.colorizer), seen.saturation)
        if key in found:
            before = found[key]
            temperatures = tuple(dict.fromkeys((*before.temperatures, *seen.temperatures)))
            seen = ModelView(before.name, before.system, before.colorizer, before.saturation, temperatures)
        found[key] = seen
    return list(found.values())
