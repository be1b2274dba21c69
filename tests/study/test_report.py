"""report.json, report.csv and report.html of a study, the page also as a browser shows it."""

from __future__ import annotations

import csv
import dataclasses
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from photochrom.errors import DataError, OutputError
from photochrom.study import answers_file
from photochrom.study.analysis import Analysis, analyse
from photochrom.study.plan import Study, load_study
from photochrom.study.report import lines, refuse_existing_report, write_report
from photochrom.study.report_page import page
from photochrom.study.simulation import Population, simulated_answers


@pytest.fixture(scope="module")
def plan(built_study: Path) -> Study:
    plan = load_study(built_study)
    names = {**plan.names, plan.photographs[0]: "<b>bold</b> & co.png"}
    return dataclasses.replace(
        plan, title="Real & <i>coloured</i>", names=names, left_out={"old.jpg": "nearly grey: x"}
    )


@pytest.fixture(scope="module")
def analysis(plan: Study) -> Analysis:
    trials = simulated_answers(plan, Population(0.4, 0.5, 1.0), 24)
    return analyse(plan, trials[:-5])  # the last participant left early


@pytest.fixture(scope="module")
def folder(analysis: Analysis, plan: Study, built_study: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report") / "new" / "report"
    write_report(analysis, plan, built_study, folder, command="photochrom study report 'a <b>'")
    return folder


def test_json_has_everything(folder: Path, analysis: Analysis, plan: Study) -> None:
    found = json.loads((folder / "report.json").read_text())
    algorithm = found["algorithms"][0]
    main = analysis.algorithms[0].main
    assert main.over_both is not None
    assert algorithm["main"]["share"] == main.share == main.fooled / main.trials
    assert algorithm["main"]["over_both"] == {"low": main.over_both.low, "high": main.over_both.high}
    assert len(algorithm["photographs"]) == len(plan.photographs)
    assert sum(each["judgements"] for each in algorithm["photographs"]) == main.trials
    assert found["exclusions"][0]["rule"] == "left early" and found["study"] == plan.identity
    assert found["paper_table_1"]["labelled_real"]["full method"] == 0.323
    assert found["paper_table_1"]["what"].endswith("not measured here")
    assert {"photochrom", "numpy", "scipy"} <= set(found["versions"])


def test_csv_agrees_with_json(folder: Path) -> None:
    rows = list(csv.DictReader((folder / "report.csv").open(newline="")))
    algorithms = json.loads((folder / "report.json").read_text())["algorithms"]
    assert [row["algorithm"] for row in rows] == [each["algorithm"] for each in algorithms]
    for row, each in zip(rows, algorithms, strict=True):
        for prefix, name in (("", "main"), ("with_flagged_", "with_flagged"), ("with_everyone_", "with_everyone")):
            for cell in ("share", "fooled", "trials", "participants"):
                assert float(row[prefix + cell]) == each[name][cell]
            for interval in ("over_both", "over_participants"):
                for end in ("low", "high"):
                    assert float(row[f"{prefix}{interval}_{end}"]) == each[name][interval][end]
        assert float(row["wrong_ms_median"]) == each["wrong_times"]["median"]


def test_page_needs_nothing_else(folder: Path) -> None:
    text = (folder / "report.html").read_text()
    assert not re.search(r"(src|href)\s*=\s*[\"'](?!data:|#)", text) and "<script" not in text and "@import" not in text
    assert not re.search(r"url\((?!#)", text)
    assert text.count("data:image/webp;base64,") == 2 * 2 * 6  # both versions of six at each end


def test_page_says_what_was_found(folder: Path, analysis: Analysis, plan: Study) -> None:
    text = (folder / "report.html").read_text()
    main = analysis.algorithms[0].main
    assert main.share is not None and main.over_both is not None
    assert f"swapped: taken for real in {100 * main.share:.1f}%" in text
    assert f"95% interval {100 * main.over_both.low:.1f}–{100 * main.over_both.high:.1f}%" in text
    assert "They were not measured here" in text and "left early" in text and "1 nearly grey" in text
    # What people wrote is text, never markup.
    assert "Real &amp; &lt;i&gt;coloured&lt;/i&gt;" in text and "<i>" not in text and "a &lt;b&gt;" in text
    best = analysis.algorithms[0].photographs[0]
    assert f"fooled {best.fooled} of {best.judgements}" in text
    assert "people said which one\na computer had coloured" in text and "which one was real" not in text


def test_few_answers_about_a_photograph_make_no_per_cent(plan: Study, built_study: Path) -> None:
    def captions(participants: int) -> list[tuple[str, ...]]:
        found = analyse(plan, simulated_answers(plan, Population(0.4, 0.5, 1.0), participants))
        return re.findall(r"fooled (\d+) of (\d+)( \((\d+)%\))?", page(found, plan, built_study))

    few, many = captions(3), captions(60)
    assert {each[2] for each in few} == {""} and any(each[2] for each in many)
    for fooled, judgements, shown, percent in few + many:
        assert bool(shown) == (int(judgements) >= 5)
        assert not shown or percent == f"{100 * int(fooled) / int(judgements):.0f}"


def test_wrong_times_are_said_and_blame_nobody(plan: Study, built_study: Path, tmp_path: Path) -> None:
    trials = simulated_answers(plan, Population(0.4, 0.5, 1.0), 2)
    slow = [dataclasses.replace(t, flagged=True) if t.participant == "00000001" else t for t in trials]
    analysis = analyse(plan, slow)
    write_report(analysis, plan, built_study, tmp_path)
    text = (tmp_path / "report.html").read_text()
    assert "6 of 6 pairs shown for a wrong time, all vigilance pairs (2) among them" in text
    assert "<td>swapped</td><td>2</td><td>1</td><td>0</td><td>0</td><td>1</td>" in text  # took part, excluded: by which
    assert "<td>swapped</td><td>12</td><td>6</td>" in text  # pairs of everybody, flagged
    row = next(csv.DictReader((tmp_path / "report.csv").open(newline="")))
    assert (row["excluded"], row["excluded_wrong_time"], row["excluded_vigilance"]) == ("1", "1", "0")
    assert "by 1 participant, 1 excluded" in lines(analysis)[0]


def test_one_participant_has_no_interval(plan: Study, built_study: Path, tmp_path: Path) -> None:
    alone = analyse(plan, simulated_answers(plan, Population(0.4, 0.5, 1.0), 1))
    write_report(alone, plan, built_study, tmp_path)
    text = (tmp_path / "report.html").read_text()
    assert "too few participants for an interval" in text and "this is a first impression, no result" in text
    assert json.loads((tmp_path / "report.json").read_text())["algorithms"][0]["main"]["over_both"] is None
    assert "no interval: fewer than two participants" in lines(alone)[0]


@pytest.mark.parametrize("missing", ["jinja2", "matplotlib"])
def test_it_says_what_to_install(missing: str, plan: Study, built_study: Path, tmp_path: Path) -> None:
    identity = load_study(built_study).identity
    answers = tmp_path / "answers.csv"
    answers_file.write(answers, simulated_answers(plan, Population(0.3, 0.4, 0.7), 2), identity)
    script = f"import sys; sys.modules[{missing!r}] = None; from photochrom.cli import main; main()"
    arguments = ["study", "report", str(built_study), "--answers", str(answers), "-o", str(tmp_path / "report")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments], capture_output=True, text=True, env=environment, check=False
    )
    assert done.returncode == 2
    assert f"not installed ({missing}); run: pip install 'photochrom[study]'" in done.stderr
    assert not (tmp_path / "report").exists()


def test_nobody_who_counts(plan: Study, built_study: Path, tmp_path: Path) -> None:
    started = analyse(plan, simulated_answers(plan, Population(0.4, 0.5, 1.0), 1)[:3])
    write_report(started, plan, built_study, tmp_path)
    assert "no answers that count yet (1 participant excluded)" in (tmp_path / "report.html").read_text()
    assert lines(started) == ["swapped  no answers that count yet (1 participant excluded)"]
    text = (tmp_path / "report.html").read_text()
    assert "there is nothing to draw" in text and "<svg" not in text and "Thick line" not in text


def test_existing_report_is_kept(
    folder: Path, analysis: Analysis, plan: Study, built_study: Path, tmp_path: Path
) -> None:
    (tmp_path / "report.csv").write_text("mine")
    with pytest.raises(OutputError, match=r"report.csv: the output exists already; use --overwrite"):
        write_report(analysis, plan, built_study, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["report.csv"]
    write_report(analysis, plan, built_study, tmp_path, command="photochrom study report 'a <b>'", overwrite=True)
    for name in ("report.html", "report.json", "report.csv"):
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes()  # the same answers, the same bytes
    with pytest.raises(OutputError, match="is a file"):
        refuse_existing_report(tmp_path / "report.csv", overwrite=True)


def test_missing_picture_leaves_no_report(analysis: Analysis, plan: Study, study_folder: Path, tmp_path: Path) -> None:
    shutil.rmtree(study_folder / "pictures" / "swapped")
    with pytest.raises(DataError, match=r"swapped/p\d{4}.png"):
        write_report(analysis, plan, study_folder, tmp_path / "report")
    assert not (tmp_path / "report").exists()


def test_page_in_a_browser(folder: Path, browser: Browser) -> None:
    asked, said = [], []
    for width in (360, 1280):
        page = browser.new_page(viewport={"width": width, "height": 800})
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: said.append(message.text))
        page.goto((folder / "report.html").as_uri())
        assert page.title() == "Real & <i>coloured</i>: report"
        assert page.evaluate("document.documentElement.scrollWidth") <= width  # nothing sticks out
        assert page.evaluate("[...document.images].every(i => i.complete && i.naturalWidth > 0 && i.alt)")
        box = page.locator("figure svg").first.bounding_box()
        assert box is not None and box["width"] > 0.8 * min(width, 500)
    assert {url.partition(":")[0] for url in asked} <= {"file", "data"} and said == []
