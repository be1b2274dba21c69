"""The results of an evaluation, as plain data: the only input of the report's writers."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

CURVE_POINTS = 151  # thresholds t = 0..150 ab units
AB_CELL = 4  # ab units: the side of a cell of the histograms over the ab plane
AB_CELLS = 64  # cells along a and along b, from -128 to 128


@dataclass(frozen=True)
class Interval:
    """A figure with its 95% interval over photographs."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class ColourScores:
    """Colour accuracy. AuC in %, gains in points of rebalanced AuC over grey."""

    auc: Interval
    rebalanced_auc: Interval
    rebalanced_gain: Interval  # at scale 1, whatever the plain AuC
    gain_at_1: Interval
    gain_scale: float  # the chroma scale at which gain@1 is read
    rmse_ab: Interval  # ab units: root of the mean squared distance in the ab plane
    psnr: Interval  # dB, mean over photographs, of sRGB at 256x256
    ssim: Interval  # 0..1, mean over photographs, of sRGB at 256x256
    colourfulness: Interval  # Hasler and Suesstrunk, signed opponents; mean over photographs
    original_colourfulness: Interval
    absolute_colourfulness: Interval  # the form with |R - G| and |(R + G) / 2 - B|; mean over photographs
    original_absolute_colourfulness: Interval
    photographs: int


@dataclass(frozen=True)
class SemanticScores:
    """A classifier's results, over the labelled photographs."""

    top_1: Interval  # %
    top_5: Interval  # %
    log_probability: Interval  # of the true class, mean, natural logarithm
    share: Interval  # % of the gap in log-probability between grey (0) and original (100) that is won back
    top_1_share: Interval  # the same of top-1; NaN where there is no gap
    photographs: int


@dataclass(frozen=True)
class Cost:
    """The cost of running a model."""

    parameters: int
    file_bytes: int
    peak_memory: int  # bytes, of a process that colours the photographs one after another
    milliseconds: float  # median per 256x256 photograph, network and decode, after warm-up
    threads: int


@dataclass(frozen=True)
class JudgeScores:
    """A machine judge: its error rate on held-out photographs."""

    error: Interval  # %: 50 = it cannot tell
    photographs: int


@dataclass(frozen=True)
class SystemResult:
    """One model or baseline. Arrays are over the evaluated photographs, in `Evaluation.names`' order."""

    name: str
    kind: str  # "model" or "baseline"
    note: str
    colour: ColourScores
    curves: NDArray[np.float64]  # [2, 151]: share 0..1 of pixels with an error <= t; plain, rebalanced
    ab_counts: NDArray[np.int64]  # [64, 64]: sampled pixels by their given a (rows) and b (columns)
    photo_auc: NDArray[np.float64]  # [n], %: plain AuC of each photograph
    photo_gain: NDArray[np.float64]  # [n]: rebalanced AuC of each photograph minus grey's on it
    semantic: SemanticScores | None = None
    frechet: float | None = None  # on the classifier's features; only above 5,000 photographs
    judge: JudgeScores | None = None
    cost: Cost | None = None  # of models
    failed: dict[str, str] = field(default_factory=dict)  # photograph -> why this system gave it no colours


@dataclass(frozen=True)
class Evaluation:
    """What was measured, and how."""

    data: str  # the folder's name
    half: str
    names: list[str]  # of the evaluated photographs, as paths in the folder
    labelled: int
    command: str
    classifier: str | None
    versions: dict[str, str]
    true_ab_counts: NDArray[np.int64]  # [64, 64], as ab_counts
    systems: list[SystemResult]
    left_out: dict[str, str]  # photograph -> why: grey already, or among `unreadable`
    seed: int = 0
    unreadable: list[str] = field(default_factory=list)
    ends: dict[str, SemanticScores] = field(default_factory=dict)  # grey and truth, classified but not asked for
    judge_note: str = ""  # why the machine judge has no result although it was requested
