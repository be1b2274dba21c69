"""The number of training processes: one, or as many as torchrun or SLURM started.

torchrun --nproc-per-node 8 -m photochrom train full --data IMAGENET        8 GPUs of one machine
srun photochrom train full --data IMAGENET                                  as SLURM's --nodes, --ntasks-per-node say
"""

from __future__ import annotations

import os
from dataclasses import dataclass

import torch

from ..errors import SettingError


@dataclass(frozen=True)
class Processes:
    """nodes: machines; here: processes on each."""

    nodes: int = 1
    here: int = 1

    @property
    def count(self) -> int:
        return self.nodes * self.here


def processes() -> Processes:
    """From the environment variables of torchrun or SLURM; else one. Raises SettingError if they are inconsistent."""
    if "TORCHELASTIC_RUN_ID" in os.environ:
        here, everywhere = _number("LOCAL_WORLD_SIZE"), _number("WORLD_SIZE")
        if everywhere % here:
            raise SettingError(f"WORLD_SIZE is {everywhere}; expected a multiple of LOCAL_WORLD_SIZE, {here}")
        return Processes(everywhere // here, here)
    if "SLURM_NTASKS" in os.environ and os.environ.get("SLURM_JOB_NAME") not in ("bash", "interactive"):
        nodes, everywhere = _number("SLURM_NNODES"), _number("SLURM_NTASKS")
        if everywhere % nodes:
            raise SettingError(f"SLURM_NTASKS is {everywhere}; expected a multiple of SLURM_NNODES, {nodes}")
        return Processes(nodes, everywhere // nodes)
    return Processes()


def trainer_options(found: Processes) -> dict[str, object]:
    """Of lightning.Trainer."""
    cuda = torch.cuda.is_available()
    return {
        "accelerator": "gpu" if cuda else "cpu",
        "devices": found.here,
        "num_nodes": found.nodes,
        "strategy": "ddp" if found.count > 1 else "auto",
        "sync_batchnorm": cuda and found.count > 1,  # it raises on CPUs
    }


def _number(name: str) -> int:
    text = os.environ.get(name, "")
    if not text.isdigit() or int(text) < 1:
        raise SettingError(f"{name} is {text!r}; expected the number of processes that torchrun or SLURM started")
    return int(text)
