"""A whole study in headless Chromium: is each pair visible for 1 s, does anything tell the truth, is any answer lost?

    python benchmarks/study_in_browser.py [--json FILE] [--model lite] [--participants 30]

Makes a study of 50 pairs from crops of photographs that come with scikit-image and scikit-learn, serves it by
`photochrom study serve`, and then:
- two scripted participants answer all pairs in Chromium, one at random, one who knows (from the database). How long a
  pair was visible is timed from outside the page: the DevTools protocol hands over every frame that the compositor
  made (Page.startScreencast) with its time, and each is compared with the pair's picture;
- 30 participants at once answer by HTTP, at random, as fast as they can;
- the replies of all are searched for clues;
- kill -9 comes in the middle of 10 others.
Needs Chromium (chromium, chromium-browser or google-chrome). Leave the machine alone meanwhile: about five minutes.
"""

from __future__ import annotations

import argparse
import base64
import io
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self

import httpx
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Page, sync_playwright
from scipy.stats import pearsonr
from skimage import data
from sklearn.datasets import load_sample_image

from photochrom.study.pictures import GROUND, compose_pair
from photochrom.study.plan import Pair, load_study, session
from photochrom.study.records import Trial
from photochrom.study.sessions import TOLERANCE_MS
from photochrom.study.store import open_store, read_trials

SIDE = 256  # pixels
CROPS = 70
VIEWPORT = {"width": 640, "height": 560}
ALIKE = 0.5  # a frame shows the picture if it is closer to it than this share of the blank ground's distance from it
READY = "#sides button:not([disabled]):visible"
NOISE_MS = 0.5  # of the times that DevTools gives, on top of the 2 frames
Choose = Callable[[str], str]  # token of a pair -> the side to call coloured


def make_study(folder: Path, model: str) -> Path:
    """A study of 50 pairs; seeded crops of six photographs."""
    whole = [data.astronaut(), data.chelsea(), data.coffee(), data.rocket(), load_sample_image("china.jpg"),
             load_sample_image("flower.jpg")]  # fmt: skip
    rng = np.random.default_rng(0)
    (folder / "photographs").mkdir()
    for number in range(CROPS):
        rgb = whole[number % len(whole)]
        top, left = (int(rng.integers(0, size - SIDE + 1)) for size in rgb.shape[:2])
        Image.fromarray(rgb[top : top + SIDE, left : left + SIDE]).save(folder / "photographs" / f"{number:02d}.png")
    command = ["study", "build", "--data", str(folder / "photographs"), "--model", model, "-o", str(folder / "study")]
    subprocess.run([sys.executable, "-m", "photochrom", *command], check=True)
    return folder / "study"


class Server:
    """`photochrom study serve` in a process of its own."""

    def __init__(self, study: Path, port: int = 0) -> None:
        command = [sys.executable, "-m", "photochrom", "study", "serve", str(study), "--port", str(port)]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        assert self.process.stderr is not None
        match = re.search(r"http://[^ ]+:(\d+)/", self.process.stderr.readline())
        assert match is not None, "the server did not start"
        self.address, self.port = match[0], int(match[1])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.end()

    def end(self, how: signal.Signals = signal.SIGINT) -> None:
        if self.process.poll() is None:
            self.process.send_signal(how)
            self.process.wait()


def truth(study: Path) -> dict[str, str]:
    """Token of every pair so far -> the side that is coloured: what no participant can know."""
    store = open_store(study)
    with store.read() as connection:
        rows = connection.exec_driver_sql("SELECT token, real_side FROM trials").all()
    store.close()
    return {token: "right" if real == "left" else "left" for token, real in rows}


def picture(study: Path, token: str) -> bytes:
    """What the page was given for a pair."""
    store = open_store(study)
    with store.read() as connection:
        columns = "SELECT kind, photograph, real_side, version FROM trials WHERE token = ?"
        row = connection.exec_driver_sql(columns, (token,)).one()
    store.close()
    return compose_pair(study, Pair(*row))


def in_browser(page: Page, address: str, study: Path, choose: Choose) -> tuple[str, list[float | None]]:
    """A whole session: the participant, and for how many ms each pair was visible, as seen from outside."""
    frames: list[tuple[float, bytes]] = []
    order: list[str] = []
    devtools = page.context.new_cdp_session(page)

    def frame(event: dict[str, Any]) -> None:
        devtools.send("Page.screencastFrameAck", {"sessionId": event["sessionId"]})
        frames.append((event["metadata"]["timestamp"], base64.b64decode(event["data"])))

    def finished(request: Any) -> None:
        if request.url.endswith("/shown"):
            order.append(request.url.split("/")[-2])

    devtools.on("Page.screencastFrame", frame)
    page.on("requestfinished", finished)
    page.goto(address)
    page.click("#agree")
    page.locator("#begin").wait_for()
    identifier = page.inner_text("#identifier strong")
    devtools.send("Page.startScreencast", {"format": "jpeg", "quality": 60, "everyNthFrame": 1})
    box = None
    visible: list[float | None] = []
    while not page.is_visible("#thanks"):
        for button in ("#begin", "#next", "#continue"):
            if page.is_visible(button):
                page.click(button)
        page.locator(f"{READY}, #continue:visible, #next:visible, #thanks:visible").first.wait_for()
        if page.is_visible(READY):
            page.wait_for_timeout(random.uniform(150, 300))  # for the last frames
            box = box or page.locator("#pair").bounding_box()
            visible.append(visible_ms(frames, picture(study, order[-1]), box))
            frames.clear()
            page.keyboard.press({"left": "f", "right": "j"}[choose(order[-1])])
            page.locator(READY).first.wait_for(state="hidden")
    return identifier, visible


def visible_ms(frames: list[tuple[float, bytes]], picture: bytes, box: Any) -> float | None:
    """From the first frame that shows the picture to the first after it that does not; None if it is not to be seen."""
    expected = np.asarray(Image.open(io.BytesIO(picture)).convert("RGB"), np.float32)
    blank = np.abs(GROUND - expected).mean()
    left, top = round(box["x"]), round(box["y"])
    first = None
    for when, encoded in sorted(frames):
        shot: NDArray[np.float32] = np.asarray(Image.open(io.BytesIO(encoded)).convert("RGB"), np.float32)
        part = shot[top : top + expected.shape[0], left : left + expected.shape[1]]
        is_there = part.shape == expected.shape and np.abs(part - expected).mean() < ALIKE * blank
        if is_there and first is None:
            first = when
        if not is_there and first is not None:
            return (when - first) * 1000
    return None


def by_http(address: str, choose: Choose, log: list[dict[str, Any]]) -> tuple[str, int]:
    """A whole session as fast as it goes: the participant, and how many answers were acknowledged."""
    with httpx.Client(base_url=address, timeout=120) as client:
        progress = client.post("api/participants", json={"consent": True}).raise_for_status().json()
        while progress["pair"]:
            pair = progress["pair"]
            started = time.perf_counter()
            picture = client.get(f"api/pairs/{pair}/picture").raise_for_status()
            seconds = time.perf_counter() - started
            shown = client.post(f"api/pairs/{pair}/shown").raise_for_status()
            body = {"coloured": choose(pair), "shown_ms": 1000, "reaction_ms": 300}
            reply = client.post(f"api/pairs/{pair}/answer", json=body).raise_for_status()
            progress = reply.json()
            log.append({
                "pair": pair, "picture": headers(picture), "shown": headers(shown), "answer": headers(reply),
                "bytes": len(picture.content), "seconds": seconds, "reply_bytes": len(reply.content),
            })  # fmt: skip
        return progress["participant"], progress["answered"]


def headers(reply: httpx.Response) -> str:
    """Names and values, but for the time and the size."""
    return str(sorted((k, v) for k, v in reply.headers.items() if k not in ("date", "content-length")))


def clues(log: list[dict[str, Any]], sides: dict[str, str]) -> dict[str, Any]:
    """Does anything measurable correlate with the truth? p: of no correlation."""
    coloured_left = np.array([sides[each["pair"]] == "left" for each in log], float)
    result: dict[str, Any] = {"pairs": len(log)}
    for what in ("picture", "shown", "answer"):
        result[f"different headers: {what}"] = len({each[what] for each in log})
    for what in ("bytes", "seconds"):
        r, p = pearsonr(np.array([each[what] for each in log], float), coloured_left)
        result[f"picture's {what} with the side"] = {"r": round(float(r), 4), "p": round(float(p), 4)}
    return result


def fooled(trials: list[Trial]) -> dict[str, Any]:
    judged = [trial for trial in trials if trial.kind == "test" and trial.state == "answered"]
    wrong = sum(trial.chosen != trial.real_side for trial in judged)
    return {"judged": len(judged), "fooled_percent": round(100 * wrong / len(judged), 2)}


def timing(visible: list[float | None], trials: list[Trial], wanted: float) -> dict[str, Any]:
    seen = [each for each in visible if each is not None]
    off = [each is None or abs(each - wanted) > TOLERANCE_MS + NOISE_MS for each in visible]
    differences = [abs(v - t.shown_ms) for v, t in zip(visible, trials, strict=True) if v and t.shown_ms]
    return {
        "pairs": len(visible),
        "not_seen_by_the_observer": visible.count(None),
        "within_2_frames_percent": round(100 * (1 - np.mean(off)), 1),
        "visible_ms": {"least": min(seen), "median": float(np.median(seen)), "most": max(seen)},
        "flagged_by_the_page": sum(trial.flagged for trial in trials),
        "off_and_flagged": sum(o and t.flagged for o, t in zip(off, trials, strict=True)),
        "off_and_not_flagged": sum(o and not t.flagged for o, t in zip(off, trials, strict=True)),
        "off_and_not_flagged_ms": [v for v, o, t in zip(visible, off, trials, strict=True) if o and not t.flagged],
        "page_and_observer_differ_ms": {"median": float(np.median(differences)), "most": max(differences)},
    }


def killed(study: Path) -> dict[str, Any]:
    """kill -9 while 10 participants answer: how many answers were acknowledged before, how many of them are there."""
    before = {(trial.participant, trial.position) for trial in read_trials(study)}
    acknowledged: set[tuple[str, int]] = set()

    def take_part(address: str) -> None:
        with httpx.Client(base_url=address, timeout=60) as client:
            try:
                progress = client.post("api/participants", json={"consent": True}).json()
                while progress["pair"]:
                    client.post(f"api/pairs/{progress['pair']}/shown")
                    body = {"coloured": "left", "shown_ms": 1000}
                    progress = client.post(f"api/pairs/{progress['pair']}/answer", json=body).json()
                    acknowledged.add((progress["participant"], progress["answered"] - 1))
            except httpx.TransportError:
                return

    with Server(study) as server, ThreadPoolExecutor(10) as pool:
        running = [pool.submit(take_part, server.address) for _ in range(10)]
        while len(acknowledged) < 200 and not all(each.done() for each in running):
            time.sleep(0.01)
        server.end(signal.SIGKILL)
    with Server(study):  # starts on what was left behind
        pass
    stored = [(t.participant, t.position) for t in read_trials(study) if t.state == "answered"]
    return {
        "acknowledged": len(acknowledged),
        "acknowledged_and_lost": len(acknowledged - set(stored)),
        "doubled": len(stored) - len(set(stored)),
        "stored": len(set(stored) - before),
    }


def chromium() -> str:
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None:
        sys.exit("no Chromium here; on Debian: apt-get install chromium")
    return found


def measure(study: Path, count: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """What to call it, and what was measured."""
    with Server(study) as server:
        yield from two_in_browsers(study, server)
        yield from many_by_http(study, server, count)
    yield "kill -9 in the middle", killed(study)


def two_in_browsers(study: Path, server: Server) -> Iterator[tuple[str, dict[str, Any]]]:
    plan = load_study(study)
    rng = random.Random(1)
    chooses: dict[str, Choose] = {
        "browser: answers at random": lambda pair: rng.choice(["left", "right"]),
        "browser: always knows": lambda pair: truth(study)[pair],
    }
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        for what, choose in chooses.items():
            page = browser.new_context(viewport=VIEWPORT).new_page()
            identifier, visible = in_browser(page, server.address, study, choose)
            trials = [trial for trial in read_trials(study) if trial.participant == identifier]
            assert len(trials) == len(session(plan, 0).pairs)
            yield what, {**fooled(trials), "display": timing(visible, trials, plan.shown_ms)}
            secrets = rf"real_side|vigilance|random|{'|'.join(plan.algorithms)}|p\d{{4}}"
            source = page.content() + page.request.get(server.address + "study.js").text()
            found = re.findall(secrets, source.replace("a random number", ""))  # the consent's words for the cookie
            yield f"{what}: words in the page that tell", {"found": sorted(set(found))}
        browser.close()


def many_by_http(study: Path, server: Server, count: int) -> Iterator[tuple[str, dict[str, Any]]]:
    log: list[dict[str, Any]] = []
    together = threading.Barrier(count)

    def take_part(number: int) -> tuple[str, int]:
        together.wait()
        mine = random.Random(100 + number)
        return by_http(server.address, lambda pair: mine.choice(["left", "right"]), log)

    started = time.perf_counter()
    with ThreadPoolExecutor(count) as pool:
        done = dict(pool.map(take_part, range(count)))  # an error of any of them would end it here
    seconds = time.perf_counter() - started
    trials = [trial for trial in read_trials(study) if trial.participant in done]
    places = [(trial.participant, trial.position) for trial in trials if trial.state == "answered"]
    result = {
        **fooled(trials),
        "acknowledged": sum(done.values()),
        "stored": len(places),
        "doubled": len(places) - len(set(places)),
        "seconds": round(seconds, 1),
    }
    yield f"{count} participants at once, at random", result
    yield "clues in their replies", clues(log, truth(study))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--model", default="lite")
    parser.add_argument("--participants", type=int, default=30)
    options = parser.parse_args()
    result: dict[str, Any] = {"load_before": os.getloadavg()[0]}
    with tempfile.TemporaryDirectory() as folder:
        study = make_study(Path(folder), options.model)
        for what, measured in measure(study, options.participants):
            print(f"{what}: {json.dumps(measured)}", flush=True)
            result[what] = measured
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
