"""One fine-tuning from a checkpoint to its report: `photochrom voc`. A report's folder holds

results.json         scores by class, settings, command; its being there means that all is done
results.csv          a row a class
weights.safetensors  the fine-tuned network
last.ckpt            until then: everything to go on with (--resume)
"""

from __future__ import annotations

import dataclasses
import platform
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, Protocol

import torch
from torch import Tensor, nn

from ...data.photograph import centre_crop
from ...errors import DataError, SettingError
from ..absorb import absorb_batchnorm
from ..rescale import rescale
from ..trunk import Trunk, load_trunk, supervised_trunk, untrained_trunk
from . import report
from .body import Body, check_stage
from .fine_tuning import Samples, Saving, fine_tune
from .layout import Purpose, VocFolder
from .photographs import multiple, read_photograph, unreadable
from .report import Results, Scores
from .settings import Schedule

SUPERVISED = "supervised"  # in the place of a checkpoint: EfficientNet-lite0 as trained on ImageNet's labels
Weights = Literal["trained", "gaussian", "kmeans"]
FIRST_LOOK = 16  # photographs that a rescaling, or a data-dependent initialisation, looks at
LOSSES = 200  # of the training that the report keeps, at most
Show = Callable[[str, int, int, float | None], None]  # (what, done, total, loss)


class Task(Protocol):
    """What differs between classification, segmentation and detection."""

    name: str
    purpose: Any
    settings: Any

    def stage(self, trunk: Trunk) -> str: ...

    def read(self, folder: VocFolder, photographs: Mapping[str, Path], split: str) -> Any: ...

    def model(self, body: Body, classes: int) -> nn.Module: ...

    def samples(self, data: Any) -> Samples: ...

    def loss(self, model: nn.Module, batch: list[Any]) -> Tensor: ...

    def predict(self, model: nn.Module, data: Any, done: Callable[[int, int], None]) -> Any: ...

    def score(self, folder: VocFolder, data: Any, predicted: Any) -> Scores: ...


@dataclass(frozen=True)
class Experiment:
    """What to fine-tune, on what, how. checkpoint: see trunk.load_trunk, or SUPERVISED; weights: as the checkpoint has
    them, or the same network untrained; colour: let the trunk see a and b too; stage: of the trunk, None: the task's
    own; rescale: absorb batch norms and rescale the layers first; tune: for the report (only classification has a
    choice)."""

    checkpoint: str
    folder: VocFolder
    train: str
    test: str
    output: Path
    weights: Weights = "trained"
    colour: bool = False
    rescale: bool = True
    stage: str | None = None
    tune: str = "all"
    seed: int = 0
    workers: int = 0
    resume: bool = False
    device: str = ""
    command: str = ""


def run(task: Task, experiment: Experiment, show: Show = lambda what, done, total, loss: None) -> Results:
    """Fine-tune, test, write the report. Raises OutputError (a report is there already), DataError, ModelError,
    SettingError, DivergedError, and fine_tuning.Stopped."""
    began = time.monotonic()
    output, folder = experiment.output, experiment.folder
    report.refuse_finished(output)
    checkpoint = output / report.CHECKPOINT
    if checkpoint.exists() and not experiment.resume:
        raise DataError(f"{output}: holds a training that was interrupted; expected a new folder, or --resume to go on")
    show("looking at the photographs", 0, 1, None)
    training, bad = _photographs(folder, task.purpose, experiment.train)
    testing, more = _photographs(folder, task.purpose, experiment.test)
    show("looking at the photographs", 1, 1, None)
    data, test_data = task.read(folder, training, experiment.train), task.read(folder, testing, experiment.test)
    trunk = _trunk(experiment, list(training.values()))
    stage = check_stage(trunk, experiment.stage) if experiment.stage else task.stage(trunk)
    torch.manual_seed(experiment.seed)  # new layers'
    model = task.model(Body(trunk, experiment.colour, stage), len(folder.classes))
    device = torch.device(experiment.device or ("cuda" if torch.cuda.is_available() else "cpu"))
    model.to(device)
    settings: Schedule = task.settings
    identity = _identity(task, experiment, trunk, stage, list(training))
    report.make_folder(output)
    losses = fine_tune(
        model,
        task.samples(data),
        lambda batch: task.loss(model, batch),
        settings,
        seed=experiment.seed,
        workers=experiment.workers,
        saving=Saving(checkpoint, identity, experiment.resume),
        progress=lambda done, loss: show("training", done, settings.steps, loss),
    )
    about = {"task": task.name, "network": trunk.name, "stage": stage, "classes": ",".join(folder.classes)}
    report.write_weights(model, output, about, overwrite=experiment.resume)
    model.eval()
    predicted = task.predict(model, test_data, lambda done, total: show("testing", done, total, None))
    results = Results(
        task=task.name,
        scores=task.score(folder, test_data, predicted),
        network=trunk.name,
        checkpoint=experiment.checkpoint,
        weights=experiment.weights,
        input="colour" if experiment.colour else "grey",
        tune=experiment.tune,
        stage=stage,
        rescaled=experiment.rescale,
        data=_about_data(experiment, len(training), len(testing)),
        settings=dataclasses.asdict(settings),
        command=experiment.command,
        seed=experiment.seed,
        device=str(device) if device.type == "cpu" else torch.cuda.get_device_name(device),
        seconds=round(time.monotonic() - began, 1),
        left_out={**bad, **more},
        versions={"python": platform.python_version(), **{p: version(p) for p in ("photochrom", "torch", "numpy")}},
        losses=losses[:: 1 + len(losses) // LOSSES],
    )
    report.write(results, output)
    checkpoint.unlink(missing_ok=True)
    return results


def _photographs(folder: VocFolder, purpose: Purpose, split: str) -> tuple[dict[str, Path], dict[str, str]]:
    """(name -> file of the photographs that can be read, name -> why of the others)."""
    paths = {name: folder.photograph(name) for name in folder.names(purpose, split)}
    bad = unreadable(paths)
    good = {name: path for name, path in paths.items() if name not in bad}
    if not good:
        raise DataError(
            f"{folder.root}: none of the {len(paths)} photographs of {split} can be read: {next(iter(bad.values()))}"
        )
    return good, bad


def _trunk(experiment: Experiment, photographs: list[Path]) -> Trunk:
    """The trunk to start from, batch norms absorbed and layers rescaled if that is wanted."""
    if experiment.checkpoint == SUPERVISED:
        if experiment.weights != "trained":
            raise SettingError(
                f"weights is {experiment.weights!r} with {SUPERVISED}; expected a checkpoint, or trained"
            )
        trunk = supervised_trunk(experiment.colour)
    else:
        trunk = load_trunk(Path(experiment.checkpoint))
    crops = [centre_crop(read_photograph(path), multiple(trunk.size)) for path in photographs[:FIRST_LOOK]]
    batch = trunk.prepare(torch.stack([torch.from_numpy(crop) for crop in crops]))
    if experiment.weights != "trained":
        assert trunk.settings is not None  # load_trunk gives them
        trunk = untrained_trunk(trunk.settings, experiment.weights, batch, experiment.seed, trunk.size)
    if experiment.rescale:
        trunk.network = absorb_batchnorm(trunk.network)
        rescale(trunk, batch)
    return trunk


def _identity(task: Task, experiment: Experiment, trunk: Trunk, stage: str, names: list[str]) -> dict[str, Any]:
    """What a training that goes on must have in common with what it goes on from."""
    settings = {key: list(v) if isinstance(v, tuple) else v for key, v in dataclasses.asdict(task.settings).items()}
    return {
        "task": task.name,
        "network": trunk.name,
        "weights": experiment.weights,
        "input": "colour" if experiment.colour else "grey",
        "tune": experiment.tune,
        "stage": stage,
        "rescaled": experiment.rescale,
        "seed": experiment.seed,
        "classes": list(experiment.folder.classes),
        "photographs": len(names),
        "settings": settings,
    }


def _about_data(experiment: Experiment, training: int, testing: int) -> dict[str, Any]:
    return {
        "folder": experiment.folder.root.name,
        "train": experiment.train,
        "test": experiment.test,
        "training_photographs": training,
        "test_photographs": testing,
        "classes": len(experiment.folder.classes),
    }
