"""The report: figures and intervals that another way of counting gives too, files that hold them, a plot that draws
them."""

import csv
import json
import math

import numpy as np
import pytest
from PIL import Image

from photochrom.data.photo_list import PhotoList
from photochrom.errors import DataError, OutputError
from photochrom.evaluation.bootstrap import resample_counts
from photochrom.features.labelled import Labelled
from photochrom.features.probe import Probed
from photochrom.features.probe_files import FILES, refuse_report, write
from photochrom.features.probe_plot import draw
from photochrom.features.probe_report import ProbeReport, make_report, score
from photochrom.features.subjects import Subject

N, CLASSES = 200, 20


def labelled(classes=CLASSES):
    return Labelled(
        PhotoList.of([]), np.zeros(0, np.int64), tuple(map(str, range(classes))), np.zeros(0, bool), {"too dark": 3}
    )


def probed(name, kind, network="net", share=0.3, rows=None, stages=("conv1", "conv2"), seed=0):
    random = np.random.default_rng(seed)
    rows = np.arange(N) if rows is None else rows
    ranks = np.where(random.random((len(rows), len(stages))) < share, 0, random.integers(1, CLASSES, (len(rows), 2)))
    shapes = {stage: (4 * (i + 1), 3, 3) for i, stage in enumerate(stages)}
    subject = Subject(name, kind, network, 64, lambda: None)
    return Probed(subject, rows, ranks, np.array([0.5, 0.25]), shapes, {})


@pytest.fixture
def results():
    return [
        probed("ours", "checkpoint", share=0.5, seed=1),
        probed("theirs", "checkpoint", "other net", share=0.4, seed=2),
        probed("gaussian net", "gaussian", share=0.2, seed=3),
        probed("kmeans net", "kmeans", share=0.3, seed=4),
        probed("supervised", "supervised", "EfficientNet-lite0", 0.8, stages=("stem", "stage1"), seed=5),
    ]


def report_of(results, classes=CLASSES):
    return make_report(
        results, labelled(classes), data="D", split="test", command="photochrom probe", settings=(), seconds=1.0
    )


def test_figures_are_shares_and_intervals_percentiles_of_resampled_shares(results):
    systems = score(results, labelled())
    right = results[0].ranks == 0
    for stage, column in (("conv1", 0), ("conv2", 1)):
        found = systems[0].stages[stage]
        assert found.top_1.value == pytest.approx(100 * right[:, column].mean())
        assert found.top_5.value == pytest.approx(100 * (results[0].ranks[:, column] < 5).mean())
        drawn = [
            100 * np.repeat(right[:, column], counts.astype(int)).mean()
            for chunk in resample_counts(N)
            for counts in chunk
        ]
        assert (found.top_1.low, found.top_1.high) == pytest.approx(np.percentile(drawn, [2.5, 97.5]))
        # An interval for a share of 200 draws: 1.96 standard errors to each side, about.
        p = right[:, column].mean()
        width = 2 * 1.96 * 100 * math.sqrt(p * (1 - p) / N)
        assert found.top_1.high - found.top_1.low == pytest.approx(width, rel=0.15)
    assert systems[0].stages["conv2"].numbers == 72 and systems[0].stages["conv2"].training_top_1 == 25


def test_differences_are_paired_and_against_the_same_network(results):
    systems = score(results, labelled())
    assert list(systems[0].stages["conv1"].over) == ["gaussian", "kmeans"]
    assert not any(stage.over for system in systems[1:] for stage in system.stages.values())
    over = systems[0].stages["conv1"].over["gaussian"]
    difference = (results[0].ranks[:, 0] == 0).astype(float) - (results[2].ranks[:, 0] == 0)
    assert over.value == pytest.approx(100 * difference.mean())
    drawn = [100 * counts @ difference / N for chunk in resample_counts(N) for counts in chunk]
    assert (over.low, over.high) == pytest.approx(np.percentile(drawn, [2.5, 97.5]))
    same = score([results[0], probed("g", "gaussian", share=0.5, seed=1)], labelled())[0].stages["conv1"].over
    assert (same["gaussian"].low, same["gaussian"].high) == (0, 0)


def test_only_photographs_that_all_could_read_count(results):
    fewer = probed("ours too", "checkpoint", rows=np.arange(50, N + 7))
    report = report_of([*results, fewer])
    assert report.test_photographs == N - 50
    expected = 100 * (results[0].ranks[50:, 0] == 0).mean()
    assert report.systems[0].stages["conv1"].top_1.value == pytest.approx(expected)
    assert report.systems[-1].stages["conv1"].top_1.value == pytest.approx(100 * (fewer.ranks[:-7, 0] == 0).mean())
    with pytest.raises(DataError, match="all systems"):
        report_of([probed("a", "checkpoint", rows=np.arange(5)), probed("b", "checkpoint", rows=np.arange(5, 9))])


def test_top_5_of_five_classes_says_nothing(results):
    assert report_of(results, classes=5).systems[0].stages["conv1"].top_5 is None
    assert report_of(results, classes=6).systems[0].stages["conv1"].top_5 is not None


def test_files_hold_the_figures(results, tmp_path):
    report = report_of(results)
    write(report, tmp_path / "deep" / "report")
    folder = tmp_path / "deep" / "report"
    assert sorted(path.name for path in folder.iterdir()) == sorted(FILES)
    content = json.loads((folder / "probe.json").read_text())
    assert content["chance"] == 5 and content["left_out"] == {"too dark": 3} and content["command"]
    ours = report.systems[0].stages["conv2"]
    assert content["systems"][0]["stages"]["conv2"]["over"]["kmeans"]["low"] == ours.over["kmeans"].low
    with (folder / "probe.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 10
    assert (rows[1]["system"], rows[1]["stage"], rows[1]["numbers"]) == ("ours", "conv2", "72")
    assert float(rows[1]["over_gaussian_high"]) == pytest.approx(ours.over["gaussian"].high, abs=1e-3)
    assert rows[2]["over_gaussian"] == "" and float(rows[8]["top_1"]) > 60
    with Image.open(folder / "probe.png") as image:
        assert image.width > 700 and len(np.unique(np.asarray(image.convert("L")))) > 20
    assert (folder / "probe.svg").read_text().startswith("<?xml")


def test_nothing_is_written_over(results, tmp_path):
    (tmp_path / "probe.csv").write_text("mine")
    for call in (lambda: refuse_report(tmp_path), lambda: write(report_of(results), tmp_path)):
        with pytest.raises(OutputError, match=r"probe\.csv: the output exists already"):
            call()
    assert [path.name for path in tmp_path.iterdir()] == ["probe.csv"]
    write(report_of(results), tmp_path, overwrite=True)
    assert (tmp_path / "probe.csv").read_text() != "mine"
    with pytest.raises(OutputError, match="is a file"):
        refuse_report(tmp_path / "probe.csv")


def test_the_plot_has_a_panel_for_each_set_of_stages_and_a_line_for_each_system(results):
    report: ProbeReport = report_of(results)
    figure = draw(report)
    first, second = figure.axes
    assert [label.get_text() for label in first.get_xticklabels()] == ["conv1", "conv2"]
    lines = [line for line in first.lines if line.get_marker() != "None"]
    assert len(lines) == 4 and len(first.collections) == 4  # with a band each
    for line, system in zip(lines, report.systems, strict=False):
        assert line.get_ydata() == pytest.approx([stage.top_1.value for stage in system.stages.values()])
    assert [label.get_text() for label in second.get_xticklabels()] == ["stem", "stage1"]
    assert first.get_ylim() == second.get_ylim() and first.get_ylim()[0] == 0
