"""ONNX Runtime, imported here and nowhere else: its telemetry is switched off before it can start.

From 1.29 on, importing ONNX Runtime looks up a host of its maker and writes a device id and a database into the
user's cache folder, unless ORT_DISABLE_TELEMETRY=1 stands in the environment at that moment. In a program that has
imported it before photochrom, that has happened already; what can still be switched off then, is.
"""

from __future__ import annotations

import os

os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import onnxruntime

onnxruntime.disable_telemetry_events()

__all__ = ["onnxruntime"]
