"""The page in headless Chromium, as participants use it: mouse, keyboard, phone, reloads, other tabs, bad networks."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from photochrom.study.records import Trial
from photochrom.study.store import read_trials

from .conftest import Server

sync_api = pytest.importorskip("playwright.sync_api")

FRAMES_MS = 2 * 1000 / 60
READY = "#sides button:not([disabled])"


@pytest.fixture(scope="module")
def folder(built_study: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study whose pairs are shown for 400 ms, to be quick."""
    copy = Path(shutil.copytree(built_study, tmp_path_factory.mktemp("page") / "study"))
    plan = json.loads((copy / "study.json").read_text())
    (copy / "study.json").write_text(json.dumps(plan | {"shown_ms": 400}))
    return copy


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Server]:
    started = Server(folder)
    yield started
    started.stop()


@pytest.fixture
def open_page(browser: sync_api.Browser) -> Iterator[Callable[..., sync_api.Page]]:
    """A page of a new participant's browser."""
    contexts = []

    def new_page(**options: object) -> sync_api.Page:
        contexts.append(browser.new_context(**options))
        page = contexts[-1].new_page()
        page.set_default_timeout(20_000)
        return page

    yield new_page
    for context in contexts:
        context.close()


@pytest.fixture
def page(open_page: Callable[..., sync_api.Page]) -> sync_api.Page:
    return open_page()


def begin(page: sync_api.Page, address: str) -> str:
    """Through consent and instructions; the participant's identifier."""
    page.goto(address)
    page.click("#agree")
    page.click("#begin")
    return page.inner_text("#identifier strong")


def wait_for_question(page: sync_api.Page) -> None:
    page.locator(READY).first.wait_for()


def wait_for_pair(page: sync_api.Page) -> None:
    """Until the pair is visible, frame by frame: a locator looks every 500 ms and can miss it."""
    page.evaluate("""() => new Promise((done, fail) => {
        setTimeout(() => fail(new Error("no pair was shown")), 20000);
        const look = () => document.getElementById("pair").style.visibility === "visible"
            ? done() : requestAnimationFrame(look);
        look();
    })""")


def trials_of(folder: Path, identifier: str) -> list[Trial]:
    return [trial for trial in read_trials(folder) if trial.participant == identifier]


def test_a_whole_session(page: sync_api.Page, study_folder: Path, serve: Callable[..., Server]) -> None:
    """At its true display time, by mouse and keyboard in turn; nothing in the network or the page tells the truth."""
    address = serve(study_folder).address
    seen: list[str] = []
    problems: list[str] = []
    page.on("request", lambda request: seen.append(f"{request.method} {request.url.removeprefix(address)}"))
    page.on("console", lambda message: problems.append(message.text))
    page.on("pageerror", lambda error: problems.append(str(error)))
    identifier = begin(page, address)
    for number in range(8):
        wait_for_question(page)
        assert not page.is_visible("#pair")
        assert page.get_attribute("#pair", "src") is None  # gone, not only hidden
        assert f"Pair {number + 1} of 8" in page.inner_text("#progress-text")
        source = page.content()
        assert not re.search(r"real_side|vigilance|swapped|random colou?rs|p00\d\d", source)
        if number % 2:
            page.keyboard.press(("ArrowLeft", "f", "ArrowRight", "J")[number // 2])
        else:
            page.click(READY)
        if number < 2:
            page.locator("#next").wait_for()
            assert re.match(r"(Correct|No): a computer coloured the (left|right) one", page.inner_text("#feedback"))
            page.keyboard.press("Enter")  # the button has the focus
            if number == 1:
                page.click("#continue")  # "Now it counts"
        else:
            assert page.inner_text("#feedback") == ""
    page.locator("#thanks").wait_for()
    assert identifier in page.inner_text("#thanks")
    assert problems == []
    trials = trials_of(study_folder, identifier)
    sides = ["left", "left", "left", "left", "left", "right", "left", "right"]  # that were said to be coloured
    assert [trial.chosen for trial in trials] == [{"left": "right", "right": "left"}[side] for side in sides]
    off = [trial.shown_ms is None or abs(trial.shown_ms - 1000) > FRAMES_MS for trial in trials]
    assert [trial.flagged for trial in trials] == off
    assert sum(off) <= 4  # this machine may be busy; benchmarks/study_in_browser.py measures it
    assert all(trial.reaction_ms is not None and 0 <= trial.reaction_ms < 60_000 for trial in trials)
    token = r"api/pairs/[\w-]{22}"
    known = (
        rf"GET (study\.(css|js)|api/study|{token}/picture)?|POST (api/(participants|session)|{token}/(shown|answer))"
    )
    assert [each for each in seen if not re.fullmatch(known, each) and not each.startswith("GET blob:")] == []
    assert sum(each.endswith("/picture") for each in seen) == 8  # each fetched once


def test_the_next_picture_is_fetched_during_the_question(page: sync_api.Page, server: Server) -> None:
    with page.expect_response("**/picture"):
        begin(page, server.address)
    with page.expect_response("**/picture") as second:
        wait_for_question(page)
    assert second.value.ok
    wait_for_question(page)


@pytest.mark.parametrize("moment", ["shown", "question"])
def test_a_reload_voids_the_pair_and_goes_on(moment: str, page: sync_api.Page, folder: Path, server: Server) -> None:
    identifier = begin(page, server.address)
    wait_for_question(page)
    page.keyboard.press("f")
    page.click("#next")
    if moment == "shown":
        wait_for_pair(page)
    else:
        wait_for_question(page)
    page.reload()
    page.locator("#continue").wait_for()
    assert "1 of 8 pairs are answered" in page.inner_text("#pause-text")
    assert page.inner_text("#identifier strong") == identifier
    page.click("#continue")
    wait_for_question(page)
    page.keyboard.press("j")
    page.locator("#next").wait_for()
    states = [trial.state for trial in trials_of(folder, identifier)]
    assert states == ["answered", "void", "answered"]
    page.reload()
    page.locator("#continue").wait_for()
    assert "2 of 8 pairs are answered" in page.inner_text("#pause-text")


def test_keys_before_the_question_and_held_keys_do_not_count(page: sync_api.Page, folder: Path, server: Server) -> None:
    identifier = begin(page, server.address)
    wait_for_pair(page)
    page.keyboard.down("f")  # too early, and held: repeats until it is let go
    wait_for_question(page)
    page.keyboard.down("f")
    page.keyboard.up("f")
    page.keyboard.press("x")
    page.keyboard.press("Control+f")
    page.wait_for_timeout(200)
    assert [trial.state for trial in trials_of(folder, identifier)] == ["shown"]
    page.keyboard.press("Tab")
    ring = "getComputedStyle(document.activeElement).outlineStyle + document.activeElement.textContent"
    focused = page.evaluate(ring)
    assert focused == "solidLeft"
    page.keyboard.press("Enter")
    page.locator("#next").wait_for()
    assert [trial.chosen for trial in trials_of(folder, identifier)] == ["right"]


def test_a_phone(open_page: Callable[..., sync_api.Page], folder: Path, server: Server) -> None:
    page = open_page(viewport={"width": 360, "height": 640}, has_touch=True, is_mobile=True, reduced_motion="reduce")
    fits = "document.documentElement.scrollWidth <= innerWidth"
    page.goto(server.address)
    page.locator("#agree").wait_for()
    assert page.evaluate(fits)
    page.tap("#agree")
    page.locator("#begin").wait_for()
    assert page.evaluate(fits)
    page.tap("#begin")
    wait_for_pair(page)
    box = page.locator("#pair").bounding_box()
    assert box is not None
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 360
    assert box["y"] + box["height"] <= 640
    assert box["width"] / box["height"] == pytest.approx((2 * 64 + 16) / 64, rel=0.02)
    wait_for_question(page)
    assert page.evaluate(fits)
    for button in page.locator("#sides button").all():
        size = button.bounding_box()
        assert size is not None
        assert min(size["width"], size["height"]) >= 44  # CSS pixels
    page.tap("#sides button[data-side=right]")
    page.locator("#next").wait_for()
    (trial,) = trials_of(folder, page.inner_text("#identifier strong"))
    assert trial.chosen == "left"


def test_a_tab_that_is_hidden_loses_the_pair(page: sync_api.Page, folder: Path, server: Server) -> None:
    identifier = begin(page, server.address)
    wait_for_pair(page)
    page.evaluate("""() => {
        Object.defineProperty(document, "hidden", { value: true, configurable: true });
        document.dispatchEvent(new Event("visibilitychange"));
    }""")
    page.locator("#pair").wait_for(state="hidden")
    page.evaluate("""() => {
        Object.defineProperty(document, "hidden", { value: false, configurable: true });
        document.dispatchEvent(new Event("visibilitychange"));
    }""")
    page.click("#continue")
    wait_for_question(page)
    page.keyboard.press("f")
    page.locator("#next").wait_for()
    assert [trial.state for trial in trials_of(folder, identifier)] == ["void", "answered"]


def test_an_answer_without_network_is_sent_when_it_is_back(page: sync_api.Page, folder: Path, server: Server) -> None:
    identifier = begin(page, server.address)
    wait_for_question(page)
    page.context.set_offline(True)
    page.keyboard.press("ArrowRight")
    page.locator("#trouble").wait_for()
    assert "Your answer is kept" in page.inner_text("#trouble")
    assert [trial.state for trial in trials_of(folder, identifier)] == ["shown"]
    page.context.set_offline(False)
    page.click("#retry")
    page.locator("#next").wait_for()
    assert not page.is_visible("#trouble")
    assert [trial.chosen for trial in trials_of(folder, identifier)] == ["left"]


def test_two_tabs_are_one_participant(page: sync_api.Page, folder: Path, server: Server) -> None:
    identifier = begin(page, server.address)
    wait_for_question(page)
    other = page.context.new_page()
    other.goto(server.address)
    other.click("#begin")  # nothing was answered yet: instructions again
    wait_for_question(other)
    page.bring_to_front()
    page.keyboard.press("f")  # void by now: the first tab goes on with what is next
    wait_for_question(page)
    assert sum(trial.state != "void" for trial in trials_of(folder, identifier)) == 1


def test_who_is_unknown_is_told_so(page: sync_api.Page, server: Server) -> None:
    page.goto(server.address)
    page.click("#agree")
    page.locator("#begin").wait_for()
    page.context.clear_cookies()
    page.click("#begin")
    page.locator("#stopped").wait_for()
    assert "cookie" in page.inner_text("#stopped-text")
    page.click("#reload")
    page.locator("#agree").wait_for()


def test_without_javascript_it_says_so(open_page: Callable[..., sync_api.Page], server: Server) -> None:
    page = open_page(java_script_enabled=False)
    page.goto(server.address)
    assert "needs JavaScript" in page.inner_text("main")
