"""A recipe: the whole configuration of a training run except the data. TOML files with the sections below.

Unknown keys are errors.
"""

from __future__ import annotations

import dataclasses
import tomllib
import types
import typing
from dataclasses import dataclass, field
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from .. import ab_bins
from ..errors import RecipeError


@dataclass(frozen=True)
class Network:
    """name: lite, eccv16, larsson, dahl or alexnet; width: factor on the channels (not lite's); pretrained: ImageNet
    weights for lite's encoder; stride: of lite's output, 4 or 8; frozen_blocks: how many of lite's 16 encoder blocks
    stay as pretrained (0: all of it learns; 16: the statistics of its BatchNorm stay, too); weights: a .safetensors
    file made by `photochrom export` to start from instead, but for the parameters whose names begin with
    `weights_without`; trunk: a VGG-16 state dict (.pth, .safetensors) for larsson and dahl;
    initialisation of what is not loaded: kmeans, pca or gaussian (data-dependent, Kraehenbuehl et al. 2016), or default
    (PyTorch's); frozen_norm: BatchNorm keeps its statistics, for fine-tuning, or to train alike on any number of
    processes without GPUs."""

    name: str = "lite"
    width: float = 1.0
    pretrained: bool = True
    stride: int = 4
    frozen_blocks: int = 0
    weights: str = ""
    weights_without: str = ""
    trunk: str = ""
    initialisation: str = "default"
    frozen_norm: bool = False


@dataclass(frozen=True)
class Data:
    """size: side of a training crop in pixels, a multiple of 32; least_area: least share of the photograph's largest
    square that a crop covers; mirror: flip half of them; gamma: L is bent by exp(+-gamma), as prints and scans are;
    sharpness, noise: how far L is made sharper, softer and noisier (crops/sharpness.py); aged: share of the crops whose
    L is that of an old print (crops/ageing.py); encoded: a folder made by `photochrom data encode`, to train lite's
    decoder on (then what is above was settled there, and is of no effect); workers: processes that decode."""

    size: int = 128
    least_area: float = 0.4
    mirror: bool = True
    gamma: float = 0.0
    sharpness: float = 0.0
    noise: float = 0.0
    aged: float = 0.0
    encoded: str = ""
    workers: int = 1


@dataclass(frozen=True)
class Loss:
    """name: classification, regression, hue-chroma or uv (training/heads.py); lam (1: no rebalancing), k, sigma: of
    section 2 of the paper, for classification; positions: places of a crop at which larsson, or the decoder on
    data.encoded, is trained (0: all of them); prior_photographs: how many photographs the prior is measured on;
    recognition: weight of the loss that a classifier sees (training/recognition.py), on so large a share of each batch
    as recognition_share; distance: weight of the loss over the decoded colours (losses.RebalancedDistance),
    distance_lam: lam of that one; teachers: model files, with commas between them, to learn from (distillation.py),
    and teaching, 0 to 1, how much of the loss theirs is: the rest is that of the true colours."""

    name: str = "classification"
    positions: int = 0
    recognition: float = 0.0
    recognition_share: float = 1.0
    distance: float = 0.0
    distance_lam: float = 0.1
    teachers: str = ""
    teaching: float = 1.0
    lam: float = ab_bins.LAMBDA
    k: int = ab_bins.NEIGHBOURS
    sigma: float = ab_bins.SIGMA
    prior_photographs: int = 4000


@dataclass(frozen=True)
class Optimizer:
    """adamw (decoupled weight decay) or adam (coupled, the paper's). encoder_lr: of pretrained layers (lite)."""

    name: str = "adamw"
    lr: float = 2e-3
    encoder_lr: float = 4e-4
    betas: tuple[float, float] = (0.9, 0.99)
    weight_decay: float = 1e-2
    clip: float = 5.0


@dataclass(frozen=True)
class Schedule:
    """Linear warm-up, constant, then cosine to 0 over the last `decay` share of the steps; or, with step_every, the
    paper's steps: the rate times step_factor every step_every steps."""

    warmup: int = 500
    decay: float = 0.5
    step_every: int = 0
    step_factor: float = 0.316


@dataclass(frozen=True)
class Training:
    """visits: photographs seen in all (steps = visits / batch); batch: photographs of a step, over all processes and
    accumulated parts; accumulate: parts that a process takes them in; ema: decay of the averaged weights; precision:
    "auto" is 32 on a CPU and bf16-mixed on CUDA; threads: 0 leaves it to PyTorch; the rest in steps or minutes."""

    visits: int = 300_000
    batch: int = 32
    accumulate: int = 1
    ema: float = 0.998
    seed: int = 0
    precision: str = "auto"
    threads: int = 0
    validate_every: int = 1000
    checkpoint_minutes: float = 4.0
    checkpoint_every: int = 0
    log_every: int = 20


@dataclass(frozen=True)
class Recipe:
    """All sections; the defaults are those of `lite`."""

    network: Network = field(default_factory=Network)
    data: Data = field(default_factory=Data)
    loss: Loss = field(default_factory=Loss)
    optimizer: Optimizer = field(default_factory=Optimizer)
    schedule: Schedule = field(default_factory=Schedule)
    training: Training = field(default_factory=Training)

    @property
    def steps(self) -> int:
        return self.training.visits // self.training.batch

    def to_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


def bundled_recipes() -> list[str]:
    """Names of the recipes that ship with photochrom."""
    return sorted(_recipe_files())


def _recipe_files() -> dict[str, Traversable]:
    """Name -> file; those of a folder within are named folder/name."""
    found: dict[str, Traversable] = {}
    for item in (resources.files("photochrom.training") / "recipes").iterdir():
        inner = [(f"{item.name}/", file) for file in item.iterdir()] if item.is_dir() else [("", item)]
        found |= {prefix + f.name.removesuffix(".toml"): f for prefix, f in inner if f.name.endswith(".toml")}
    return found


def load_recipe(name_or_path: str, settings: list[str] | None = None) -> Recipe:
    """A bundled recipe by name or a TOML file, with `section.key=value` settings (values in TOML syntax) on top.

    Raises RecipeError naming the file, the key, what was found and what was expected.
    """
    bundled = _recipe_files()
    if name_or_path in bundled:
        text = bundled[name_or_path].read_text("utf-8")
    elif Path(name_or_path).is_file():
        text = Path(name_or_path).read_text("utf-8")
    else:
        known = ", ".join(sorted(bundled))
        raise RecipeError(f"{name_or_path}: no such recipe; expected a TOML file or one of: {known}")
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"{name_or_path}: not valid TOML ({error})") from error
    for setting in settings or []:
        _apply(content, setting)
    return recipe_from_dict(content, name_or_path)


def _apply(content: dict[str, Any], setting: str) -> None:
    key, equals, value = setting.partition("=")
    section, dot, name = key.partition(".")
    if not (equals and dot and name):
        raise RecipeError(f"--set {setting}: expected section.key=value, as in optimizer.lr=1e-3")
    try:
        parsed = tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        parsed = value  # a bare word is a string
    content.setdefault(section.strip(), {})[name.strip()] = parsed


def recipe_from_dict(content: dict[str, Any], origin: str) -> Recipe:
    """A recipe from nested dictionaries; missing keys take the defaults, unknown ones raise RecipeError."""
    return _build(Recipe, content, origin, "")


def _build(kind: Any, content: dict[str, Any], origin: str, prefix: str) -> Any:
    hints = typing.get_type_hints(kind)
    unknown = sorted(set(content) - set(hints))
    if unknown:
        raise RecipeError(f"{origin}: unknown key {prefix}{unknown[0]}; expected one of: {', '.join(sorted(hints))}")
    values = {}
    for key, value in content.items():
        hint, name = hints[key], prefix + key
        if dataclasses.is_dataclass(hint):
            if not isinstance(value, dict):
                raise RecipeError(f"{origin}: {name} is {value!r}; expected a section")
            values[key] = _build(hint, value, origin, name + ".")
        else:
            values[key] = _checked(value, hint, origin, name)
    return kind(**values)


def _checked(value: Any, hint: Any, origin: str, name: str) -> Any:
    if isinstance(hint, types.GenericAlias) and typing.get_origin(hint) is tuple:
        parts = typing.get_args(hint)
        if not isinstance(value, list | tuple) or len(value) != len(parts):
            raise RecipeError(f"{origin}: {name} is {value!r}; expected {len(parts)} values")
        return tuple(_checked(v, p, origin, name) for v, p in zip(value, parts, strict=True))
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if type(value) is not hint:
        raise RecipeError(f"{origin}: {name} is {value!r}; expected {hint.__name__}")
    return value
