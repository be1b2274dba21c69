"""From mode to mean: error and vividness at each temperature of the annealed mean (the paper's figure 4)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...color import lab_to_rgb
from ..colour import colourfulness, sampled
from ..judges.semantic import merged
from ..photographs import Photograph
from .model_view import ModelView
from .thumbnails import thumbnail

TEMPERATURES = (0.0, 0.1, 0.2, 0.38, 0.58, 0.77, 1.0)  # of figure 4; 0 is the mode, 1 the mean
_SAME = 1e-3  # ab units: a network whose colours move less with its temperature ignores it


@dataclass(frozen=True)
class Sweep:
    """One network over temperatures [t], rising; over the same photographs for every network.

    own: the temperatures that the evaluated systems have; rmse: in ab units, all pixels pooled; colourfulness: Hasler
    and Suesstrunk's, signed, mean over photographs; pictures: the shown photograph at each temperature.
    """

    name: str
    system: str
    temperatures: tuple[float, ...]
    own: tuple[float, ...]
    rmse: NDArray[np.float64]
    colourfulness: NDArray[np.float64]
    pictures: tuple[bytes, ...]


@dataclass(frozen=True)
class Sweeps:
    """All sweeps. ignored: networks whose colours do not depend on the temperature; shown: the photograph of the
    pictures, `shown_grey` and `shown_original` beside them; colourfulness: of the originals."""

    sweeps: tuple[Sweep, ...]
    ignored: tuple[str, ...]
    photographs: int
    colourfulness: float
    shown: str
    shown_grey: bytes
    shown_original: bytes


class _Tally:
    """Sums of one network, photograph by photograph."""

    def __init__(self, seen: ModelView) -> None:
        self.view = seen
        self.temperatures = tuple(sorted({*TEMPERATURES, *seen.temperatures}))
        self.squared = np.zeros(len(self.temperatures))
        self.pixels = 0
        self.vivid: list[list[float]] = []  # by photograph and temperature

    def add(self, photograph: Photograph, lightness: NDArray[np.floating], truth: NDArray[np.floating]) -> None:
        vivid = []
        for index, ab in enumerate(self.view.ab_at(photograph, self.temperatures)):
            given = sampled(ab).astype(np.float64)
            self.squared[index] += ((given - truth) ** 2).sum()
            vivid.append(colourfulness(np.round(255 * lab_to_rgb(np.concatenate([lightness, given], -1)))))
        self.vivid.append(vivid)
        self.pixels += len(truth)

    def sweep(self, shown: Photograph) -> Sweep:
        pictures = (thumbnail(merged(shown, ab)) for ab in self.view.ab_at(shown, self.temperatures))
        return Sweep(
            name=self.view.name,
            system=self.view.system,
            temperatures=self.temperatures,
            own=self.view.temperatures,
            rmse=np.sqrt(self.squared / self.pixels),
            colourfulness=np.mean(self.vivid, axis=0),
            pictures=tuple(pictures),
        )


def sweep(
    views: Sequence[ModelView], names: Sequence[str], read: Callable[[str], Photograph | None], step: Callable[[], None]
) -> Sweeps | None:
    """Every network over the photographs `names`; None where there is none of either.

    read: gives a photograph by name, None where it cannot be read; step: called after each photograph. The shown
    photograph is the one whose colourfulness the temperature changes most, on average over the networks.
    """
    tallies: list[_Tally] = []
    ignored: list[str] = []
    originals: list[float] = []
    seen: list[str] = []
    for photograph, name in _photographs(names, read, step):
        if not seen:
            for each in views:
                (tallies.append(_Tally(each)) if _depends(each, photograph) else ignored.append(each.name))
        truth = sampled(photograph.ab).astype(np.float64)
        lightness = sampled(photograph.lightness[..., None])
        for tally in tallies:
            tally.add(photograph, lightness, truth)
        originals.append(colourfulness(sampled(photograph.rgb)))
        seen.append(name)
    if not seen or not views:
        return None
    if not tallies:
        return Sweeps((), tuple(ignored), len(seen), float(np.mean(originals)), "", b"", b"")
    change = np.mean([np.ptp(np.array(tally.vivid), axis=1) for tally in tallies], axis=0)
    chosen = seen[int(change.argmax())]
    shown = read(chosen)
    if shown is None:  # gone since
        return None
    return Sweeps(
        sweeps=tuple(tally.sweep(shown) for tally in tallies),
        ignored=tuple(ignored),
        photographs=len(seen),
        colourfulness=float(np.mean(originals)),
        shown=chosen,
        shown_grey=thumbnail(merged(shown, np.zeros_like(shown.ab))),
        shown_original=thumbnail(shown.rgb),
    )


def _photographs(
    names: Sequence[str], read: Callable[[str], Photograph | None], step: Callable[[], None]
) -> Iterator[tuple[Photograph, str]]:
    for name in names:
        photograph = read(name)
        if photograph is not None:
            yield photograph, name
        step()


def _depends(seen: ModelView, photograph: Photograph) -> bool:
    """Whether the colours depend on the temperature at all: a regression's do not."""
    if seen.has_probabilities:
        return True
    coldest, hottest = seen.ab_at(photograph, (0.0, 1.0))
    return bool(np.abs(coldest - hottest).max() > _SAME)
