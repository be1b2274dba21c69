from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import linalg

from photochrom.errors import DataError
from photochrom.evaluation.baselines import make_baseline
from photochrom.evaluation.evaluate import evaluate
from photochrom.evaluation.judges import frechet
from photochrom.evaluation.judges import machine as judge
from photochrom.evaluation.judges.classifiers import Classified
from photochrom.evaluation.judges.semantic import merged
from photochrom.evaluation.photographs import list_photographs, read_whole
from photochrom.evaluation.results import Evaluation, Interval, JudgeScores


class Certain:
    """A classifier that finds class 3 the surer the more colourful a photograph is."""

    name = "certain"
    fingerprint = "certain 1"
    classes = 1000

    def __init__(self) -> None:
        self.seen = 0

    def classify(self, photographs: list[np.ndarray]) -> Classified:
        self.seen += len(photographs)
        results = np.full((len(photographs), 1000), -9.0, np.float32)
        results[:, 3] = [-8 + (np.ptp(rgb, axis=-1)).mean() / 100 for rgb in photographs]
        return Classified(results, None)


def test_baselines_and_the_ends_of_the_scale(photographs: Path, tmp_path: Path) -> None:
    paths = list_photographs(photographs)
    classifier = Certain()
    systems = [make_baseline(name, paths) for name in ("constant", "truth")]
    steps: list[tuple[str, int, int]] = []

    def run() -> None:
        evaluation = evaluate(
            paths,
            systems,
            folder=photographs,
            half="all",
            labels={"coffee.png": 3, "rocket.png": 3},
            classifier=classifier,
            cache=tmp_path,
            progress=lambda *step: steps.append(step),
        )
        constant, truth = evaluation.systems
        assert (constant.name, truth.name) == ("constant", "truth")
        assert truth.semantic is not None and truth.semantic.share.value == pytest.approx(100)
        assert list(evaluation.ends) == ["grey"]  # the zero of the scale, classified although not asked for
        assert evaluation.ends["grey"].share.value == 0
        assert (len(evaluation.names), evaluation.labelled) == (6, 2)
        assert truth.colour.auc.value == 100
        assert (truth.photo_auc == 100).all()
        np.testing.assert_array_equal(truth.ab_counts, evaluation.true_ab_counts)
        assert constant.ab_counts.max() == constant.ab_counts.sum() == 6 * 64 * 64  # all in one cell
        np.testing.assert_allclose(constant.curves[:, 150], 1)
        assert "fitted by gain@1" in constant.note

    run()
    assert classifier.seen == 2 * 3
    assert steps[-1] == ("measuring", 6, 6)
    run()  # from what was kept
    assert classifier.seen == 2 * 3


def test_frechet_distance_where_there_are_enough_photographs(
    photographs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class WithFeatures(Certain):
        def classify(self, photographs: list[np.ndarray]) -> Classified:
            features = np.array([rgb.reshape(-1, 3).mean(0) for rgb in photographs], np.float32)
            return super().classify(photographs)._replace(features=features)

    paths = list_photographs(photographs)

    def run() -> Evaluation:
        return evaluate(
            paths,
            [make_baseline(name, paths) for name in ("truth", "grey")],
            folder=photographs,
            half="all",
            labels={"coffee.png": 3},
            classifier=WithFeatures(),
        )

    assert [system.frechet for system in run().systems] == [None, None]  # six are far too few
    monkeypatch.setattr(frechet, "MIN_PHOTOGRAPHS", 6)
    truth, grey = run().systems
    assert truth.frechet == pytest.approx(0, abs=1e-6)
    # By the definition, from the mean colours of the pictures themselves.
    colours, greys = [], []
    for path in paths:
        whole = read_whole(path)
        colours.append(whole.rgb.reshape(-1, 3).mean(0))
        greys.append(merged(whole, np.zeros((*whole.rgb.shape[:2], 2), np.float32)).reshape(-1, 3).mean(0))
    (m, c), (n, d) = ((np.mean(x, 0), np.cov(x, rowvar=False)) for x in (np.array(colours), np.array(greys)))
    root = linalg.sqrtm(c @ d).real
    assert grey.frechet == pytest.approx(((m - n) ** 2).sum() + np.trace(c + d - 2 * root), rel=1e-3)
    assert grey.semantic is not None and grey.semantic.photographs == 1  # the labelled one


def test_labels_of_other_photographs(photographs: Path) -> None:
    paths = list_photographs(photographs)
    with pytest.raises(DataError, match="none of the 2 photographs is labelled"):
        evaluate(
            paths[:2],
            [make_baseline("grey", paths)],
            folder=photographs,
            half="all",
            labels={"rocket.png": 3},
            classifier=Certain(),
        )


def test_two_systems_of_one_name(photographs: Path) -> None:
    paths = list_photographs(photographs)
    with pytest.raises(DataError, match="two systems have the same name: grey, grey"):
        evaluate(paths, [make_baseline("grey", paths)] * 2, folder=photographs, half="all")


def test_a_photograph_that_goes_missing_is_named(photographs: Path) -> None:
    paths = [*list_photographs(photographs)[:1], photographs / "gone.png"]
    found = evaluate(paths, [make_baseline("grey", paths)], folder=photographs, half="all")
    assert found.unreadable == ["gone.png"]
    assert "no such file" in found.left_out["gone.png"]
    assert len(found.names) == 1


def test_too_few_photographs_for_the_judge(photographs: Path) -> None:
    """Six are too few to train one: the other figures stand, and the report says why this one is missing."""
    paths = list_photographs(photographs)
    found = evaluate(paths, [make_baseline("grey", paths)], folder=photographs, half="all", judged=True, threads=1)
    (grey,) = found.systems
    assert grey.judge is None
    assert "6 photographs are too few to train it; expected at least 20" in found.judge_note


def test_a_judge_that_random_colours_deceive_is_not_quoted(photographs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def verdict(error: float) -> JudgeScores:
        return JudgeScores(Interval(error, error, error), 60)

    paths = list_photographs(photographs)
    for error, note in ((12.0, "not reliable here"), (3.0, "")):
        monkeypatch.setattr(judge, "judge", lambda *a, error=error, **k: verdict(error))
        found = evaluate(paths, [make_baseline("grey", paths)], folder=photographs, half="all", judged=True, threads=1)
        assert note in found.judge_note
        assert (found.systems[0].judge is None) == bool(note)
