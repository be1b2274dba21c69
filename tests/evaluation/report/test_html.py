from __future__ import annotations

import base64
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
import pyvips
from playwright.sync_api import Browser

from photochrom.colorizer import load
from photochrom.errors import OutputError
from photochrom.evaluation.baselines import Grey, Truth
from photochrom.evaluation.photographs import list_photographs
from photochrom.evaluation.report.html import _css, _multimodal, html, write_html
from photochrom.evaluation.report.illustrations import Illustrations, illustrate
from photochrom.evaluation.report.paper import ADDRESS
from photochrom.evaluation.results import Evaluation
from photochrom.evaluation.systems import ModelSystem

from ..example import bins_model, evaluate

VOID = {"meta", "link", "img", "line", "wbr"}


class Page(HTMLParser):
    """What a browser would see: tags that do not nest are an error."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.text += data


@pytest.fixture(scope="module")
def full(
    photographs: Path, warm_model: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Evaluation, Illustrations]:
    folder = tmp_path_factory.mktemp("bins")
    bins = load(bins_model(folder / "bins.onnx"), threads=1)
    systems = [
        Grey(),
        Truth(),
        ModelSystem("a/long-name_of_some/bins", bins),
        ModelSystem("warm", load(warm_model, threads=1)),
        ModelSystem("bins", bins, 1.0),
    ]
    evaluation = evaluate(photographs, [path.name for path in list_photographs(photographs)][:4], systems)
    return evaluation, illustrate(evaluation, systems, photographs)


@pytest.fixture(scope="module")
def page(full: tuple[Evaluation, Illustrations]) -> str:
    return html(*full)


def test_the_page_holds_everything_itself(page: str) -> None:
    found = Page(page)
    images = [attributes for tag, attributes in found.tags if tag == "img"]
    assert len(images) > 50
    for attributes in images:
        address, alt = attributes["src"], attributes["alt"]
        assert alt and len(alt) > 5
        assert address is not None and re.match(r"data:image/(webp|png|svg\+xml);base64,", address)
    for kind in ("webp", "png"):
        picture = next(str(a["src"]) for a in images if str(a["src"]).startswith(f"data:image/{kind}"))
        assert pyvips.Image.new_from_buffer(base64.b64decode(picture.partition(",")[2]), "").width > 50
    addresses = [value for _, attributes in found.tags for name, value in attributes.items() if name in ("src", "href")]
    assert all(value and (value.startswith(("data:", "#")) or value == ADDRESS) for value in addresses)
    assert "@import" not in page and "url(" not in page and "<script" not in page
    assert len(page) < 2_500_000


def test_links_lead_somewhere(page: str) -> None:
    found = Page(page)
    targets = [attributes["id"] for _, attributes in found.tags if "id" in attributes]
    links = [str(attributes["href"]) for tag, attributes in found.tags if tag == "a"]
    inside = [link[1:] for link in links if link != ADDRESS]
    assert len(targets) == len(set(targets)) and set(inside) <= set(targets) and len(inside) >= 7
    assert page.index(ADDRESS) < page.index("the paper")  # named at its first mention


def test_every_word_is_plain(page: str) -> None:
    """What only those who know the field understand is explained or not said."""
    text = " ".join(Page(page).text.split())
    for word in (" nats", "signed opponents", " modes", " mode.", " mode ", "0, mode", "CIE units", "CIE ab"):
        assert word not in text, word
    assert "ab units: a bright red is about 100 from grey" in text
    assert "input: the short side in pixels" in text
    assert "natural logarithm of the probability" in text


def test_what_is_not_drawn_is_said(page: str, photographs: Path) -> None:
    text = " ".join(Page(page).text.split())
    assert text.count("Truth is not drawn: it is the original photographs.") == 2
    assert text.count("Grey is not drawn: all its pixels are in the middle, at 0.") == 2
    evaluation = evaluate(photographs, ["coffee.png"], [Grey()])
    evaluation = replace(evaluation, systems=[replace(evaluation.systems[0], kind="model")])  # a model called grey
    other = html(evaluation, Illustrations())
    assert "not drawn" not in other and "Colours over the ab plane: grey" in other


def test_likely_colours_come_with_the_larger_share_first(page: str, full: tuple[Evaluation, Illustrations]) -> None:
    text = " ".join(Page(page).text.split())
    captions = re.findall(r"(\d+)% around , (\d+)% around ; given ; in truth", text)
    assert captions and all(int(first) >= int(second) for first, second in captions)
    name, (pixel, *_) = next((name, pixels) for name, pixels in full[1].multimodal.items() if pixels)
    for masses in ((0.17, 0.18), (0.18, 0.17)):
        one = replace(pixel, first_mass=masses[0], second_mass=masses[1])
        likely = _multimodal(Illustrations(multimodal={name: (one,)}))[name][0]["likely"]
        assert [share for share, _ in likely] == pytest.approx([18, 17])
        assert likely[0][1] == _css(one, one.first if masses[0] > masses[1] else one.second)


def test_systems_without_likely_colours_of_their_own(page: str) -> None:
    text = " ".join(Page(page).text.split())
    owner = "a/long-name_of_some/bins"
    assert f"bins T=1 is not shown: it is the same network as {owner}, with the same likely colours." in text
    assert "Not shown, since they give a pixel one colour and no probabilities: warm." in text


def test_figures_and_reasons(page: str, full: tuple[Evaluation, Illustrations]) -> None:
    evaluation, illustrations = full
    text = " ".join(Page(page).text.split())
    for fact in (
        "4 of photographs", "1 grey already: old.jpg", "1 cut off; expected a whole photograph: torn.jpg",
        evaluation.command, "photochrom 1.0, python 3.12", "not measured here", "67.3",
        f"{evaluation.systems[3].colour.rmse_ab.value:.1f}", "the Fréchet distance, how far",
        "Only 4 labelled photographs",
        "and no probabilities: warm.", "Best", "Worst", "Median", "Random",
    ):  # fmt: skip
        assert fact in text, fact
    assert illustrations.sweeps is not None and f"{illustrations.sweeps.shown}, at each temperature" in text
    assert text.count("temperature") > 3 and "0, likeliest" in text


def test_hostile_names_stay_text(photographs: Path) -> None:
    evaluation = evaluate(photographs, ["coffee.png"], [Grey()])
    wild = "<script>alert('1')</script> & \"co\""
    system = replace(evaluation.systems[0], name=wild, kind="model", note=wild, failed={wild: wild})
    evaluation = replace(evaluation, data=wild, command=wild, systems=[system], left_out={wild: wild}, versions={})
    found = Page(html(evaluation, Illustrations()))
    assert "script" not in {tag for tag, _ in found.tags}
    assert found.text.count(wild) >= 6


def test_nothing_but_baselines(photographs: Path) -> None:
    """Sections without data say why in one line."""
    evaluation = evaluate(photographs, ["coffee.png"], [Grey()], left_out={}, half="odd", command="")
    found = Page(html(evaluation, Illustrations()))
    text = " ".join(found.text.split())
    for said in ("Left outnone", "its odd half", "baselines have no temperature", "baselines give no probabilities",
                 "no model was evaluated", "not recorded"):  # fmt: skip
        assert said in text, said
    sections = sum(tag == "section" for tag, _ in found.tags)
    assert sections == sum(tag == "h2" for tag, _ in found.tags) == 7


def test_written_whole_or_not_at_all(photographs: Path, tmp_path: Path) -> None:
    evaluation = evaluate(photographs, ["coffee.png"], [Grey()])
    target = tmp_path / "report.html"
    target.write_text("mine")
    with pytest.raises(OutputError, match=r"report\.html: the output exists already"):
        write_html(evaluation, Illustrations(), target)
    assert target.read_text() == "mine"
    write_html(evaluation, Illustrations(), target, overwrite=True)
    assert target.read_text("utf-8").startswith("<!DOCTYPE html>")
    with pytest.raises(OutputError, match="there is no folder"):
        write_html(evaluation, Illustrations(), tmp_path / "gone" / "report.html")
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_in_a_browser(page: str, tmp_path: Path, browser: Browser) -> None:
    """Every picture is shown, nothing is fetched, nothing is wider than a phone, the first column stays in sight."""
    (tmp_path / "report.html").write_text(page, encoding="utf-8")
    for width in (320, 390, 1280):
        shown = browser.new_page(viewport={"width": width, "height": 800})
        fetched: list[str] = []
        shown.on("request", lambda request, fetched=fetched: fetched.append(request.url.partition(":")[0]))
        shown.goto((tmp_path / "report.html").as_uri())
        assert set(fetched) <= {"file", "data"}
        assert shown.evaluate("document.documentElement.scrollWidth") <= width
        assert shown.evaluate("[...document.images].every(each => each.complete && each.naturalWidth > 0)")
        stuck = """() => { const box = document.querySelector('.scroll'); box.scrollLeft = 200;
            const name = box.querySelector('tbody th'); return [box.scrollWidth - box.clientWidth,
            name.getBoundingClientRect().left - box.getBoundingClientRect().left]; }"""
        spare, left = shown.evaluate(stuck)
        assert 0 <= left <= 2 and (spare > 100) == (width < 600)
        shown.close()
