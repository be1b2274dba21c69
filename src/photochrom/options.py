"""What may be asked of a colouring: the ranges of its options, for the command line and the API alike."""

from __future__ import annotations

import math
from numbers import Integral, Real
from typing import Literal

from .errors import SettingError

Decode = Literal["annealed-mean", "mean", "mode"]
DECODES = ("annealed-mean", "mean", "mode")
MAX_SATURATION = 10  # every colour that is not grey lies outside sRGB by then
MIN_TEMPERATURE, MAX_TEMPERATURE = (
    1e-4,
    1e4,
)  # beyond, the likeliest colour and the plain mean, up to float32's overflow


def checked_temperature(temperature: object) -> None:
    """SettingError unless it is None (the model's own) or a number in MIN_TEMPERATURE..MAX_TEMPERATURE."""
    if temperature is None:
        return
    expected = f"a finite number above 0, from {MIN_TEMPERATURE:g} to {MAX_TEMPERATURE:g}"
    number = _number("temperature", temperature, expected)
    if not MIN_TEMPERATURE <= number <= MAX_TEMPERATURE:
        raise SettingError(f"temperature is {temperature}; expected {expected}")


def checked_decode(decode: object) -> None:
    """SettingError unless it is one of DECODES."""
    if not isinstance(decode, str) or decode not in DECODES:
        raise SettingError(f"decode is {decode!r}; expected {', '.join(DECODES)}")


def checked_saturation(saturation: object) -> None:
    """SettingError unless it is a number in 0..MAX_SATURATION."""
    expected = f"a finite number from 0 (grey) to {MAX_SATURATION}"
    if not 0 <= _number("saturation", saturation, expected) <= MAX_SATURATION:
        raise SettingError(f"saturation is {saturation}; expected {expected}")


def checked_quality(quality: object) -> None:
    """SettingError unless it is a whole number in 1..100."""
    if isinstance(quality, bool) or not isinstance(quality, Integral) or not 1 <= int(quality) <= 100:
        raise SettingError(f"quality is {quality!r}; expected a whole number, 1..100")


def checked_count(name: str, value: object) -> None:
    """SettingError unless it is a whole number of at least 1."""
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise SettingError(f"{name} is {value!r}; expected a whole number of at least 1")
    if value < 1:
        raise SettingError(f"{name} is {value}; expected at least 1")


def _number(name: str, value: object, expected: str) -> float:
    if isinstance(value, bool) or not isinstance(value, Real) or not math.isfinite(value):
        raise SettingError(f"{name} is {value!r}; expected {expected}")
    return float(value)
