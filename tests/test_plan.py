"""Which photographs go where."""

from __future__ import annotations

import os
import tempfile
from contextlib import chdir
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from photochrom.errors import MissingPhotoError, OutputError, SettingError, UnreadablePhotoError
from photochrom.plan import Plan, make_plan


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """scans/{a.jpg, b.PNG, notes.txt, .hidden.jpg, 1903/{a.jpg, c.heic}, .cache/d.jpg} below the working folder."""
    for name in ("a.jpg", "b.PNG", "notes.txt", ".hidden.jpg", "1903/a.jpg", "1903/c.heic", ".cache/d.jpg"):
        path = tmp_path / "scans" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def targets(plan: Plan) -> dict[str, str]:
    return {job.name: job.output for job in plan.jobs}


def test_beside_the_input(tree: Path) -> None:
    assert targets(make_plan(["scans/a.jpg", "scans/b.PNG"])) == {
        "scans/a.jpg": "scans/a.color.jpg",
        "scans/b.PNG": "scans/b.color.PNG",
    }
    assert targets(make_plan(["scans/a.jpg"], format="tiff")) == {"scans/a.jpg": "scans/a.color.tif"}


def test_dots_in_names_are_kept(tree: Path) -> None:
    (tree / "box.1.v2.jpeg").touch()
    (tree / "plain").touch()
    assert targets(make_plan(["box.1.v2.jpeg", "plain"])) == {
        "box.1.v2.jpeg": "box.1.v2.color.jpeg",
        "plain": "plain.color",
    }
    assert targets(make_plan(["box.1.v2.jpeg"], format="jpg")) == {"box.1.v2.jpeg": "box.1.v2.color.jpeg"}
    assert targets(make_plan(["plain"], format="png")) == {"plain": "plain.color.png"}


def test_folder_is_mirrored_without_hidden_files_and_texts(tree: Path) -> None:
    assert targets(make_plan(["scans"], "out/", recursive=True)) == {
        "scans/a.jpg": "out/a.jpg",
        "scans/b.PNG": "out/b.PNG",
        "scans/1903/a.jpg": "out/1903/a.jpg",
        "scans/1903/c.heic": "out/1903/c.jpg",
    }
    assert not Path("out").exists()


def test_folder_beside(tree: Path) -> None:
    plan = make_plan(["scans"], recursive=True)
    assert targets(plan)["scans/1903/a.jpg"] == "scans/1903/a.color.jpg"
    assert all(job.found for job in plan.jobs)


def test_folder_needs_recursive(tree: Path) -> None:
    with pytest.raises(SettingError, match="scans: is a folder; add -r"):
        make_plan(["scans"])


def test_output_beneath_the_input_is_not_an_input(tree: Path) -> None:
    out = Path("scans/coloured")
    out.mkdir()
    (out / "a.jpg").touch()
    assert "scans/coloured/a.jpg" not in targets(make_plan(["scans"], "scans/coloured", recursive=True))


def test_pattern_mirrors_below_its_fixed_part(tree: Path) -> None:
    assert targets(make_plan(["scans/**/*.jpg"], "out")) == {
        "scans/a.jpg": "out/a.jpg",
        "scans/1903/a.jpg": "out/1903/a.jpg",
    }
    assert targets(make_plan([f"{tree}/scans/*.jpg"], "out")) == {f"{tree}/scans/a.jpg": "out/a.jpg"}
    assert targets(make_plan(["scans/1*"], "out", recursive=True))["scans/1903/a.jpg"] == "out/1903/a.jpg"


def test_file_with_brackets_is_a_file(tree: Path) -> None:
    (tree / "a[1].jpg").touch()
    assert targets(make_plan(["a[1].jpg"])) == {"a[1].jpg": "a[1].color.jpg"}


def test_pattern_without_a_match(tree: Path) -> None:
    plan = make_plan(["*.bmp", "scans/a.jpg"])
    assert [type(error) for error in plan.refused] == [MissingPhotoError]
    assert "*.bmp: no file matches" in str(plan.refused[0])
    assert len(plan.jobs) == 1


def test_missing_file_does_not_stop_the_others(tree: Path) -> None:
    plan = make_plan(["nowhere.jpg", "scans/a.jpg"])
    assert "nowhere.jpg: no such file or folder; expected a photograph" in str(plan.refused[0])
    assert targets(plan) == {"scans/a.jpg": "scans/a.color.jpg"}


def test_one_file_to_a_file_a_folder_and_stdout(tree: Path) -> None:
    assert targets(make_plan(["scans/a.jpg"], "x/new.jpg")) == {"scans/a.jpg": "x/new.jpg"}
    assert targets(make_plan(["scans/a.jpg"], "x/")) == {"scans/a.jpg": "x/a.jpg"}
    Path("there").mkdir()
    assert targets(make_plan(["scans/a.jpg"], "there")) == {"scans/a.jpg": "there/a.jpg"}
    assert targets(make_plan(["scans/a.jpg"], "-")) == {"scans/a.jpg": "-"}


def test_stdin(tree: Path) -> None:
    assert targets(make_plan(["-"])) == {"-": "-"}
    assert targets(make_plan(["-"], "x.png")) == {"-": "x.png"}
    with pytest.raises(SettingError, match="scans is a folder"):
        make_plan(["-"], "scans")
    with pytest.raises(SettingError, match="give it alone"):
        make_plan(["-", "scans/a.jpg"])


@pytest.mark.parametrize(
    ("output", "format"),
    [
        ("x.jpeg", "same"),
        ("x.TIF", "same"),
        ("x.avif", "same"),
        ("x", "webp"),
        ("x.jpe", "jpg"),
    ],
)
def test_a_named_output_is_taken_as_it_is(tree: Path, output: str, format: str) -> None:
    job = make_plan(["scans/a.jpg"], output, format=format).jobs[0]
    assert (job.output, job.format) == (output, format)


def test_contradicting_or_unknown_formats(tree: Path) -> None:
    with pytest.raises(SettingError, match=r"x.jpg is named .jpg, and --format is png"):
        make_plan(["scans/a.jpg"], "x.jpg", format="png")
    with pytest.raises(SettingError, match=r"x.bmp is named .bmp, and --format is png"):
        make_plan(["scans/a.jpg"], "x.bmp", format="png")
    for name in ("x.bmp", "x.heic"):
        with pytest.raises(SettingError, match=r"cannot be written; expected one of \.jpg, \.png"):
            make_plan(["scans/a.jpg"], name)


def test_stdout_and_a_file_hold_one_photograph(tree: Path) -> None:
    with pytest.raises(SettingError, match="stdout"):
        make_plan(["scans/a.jpg", "scans/b.PNG"], "-")
    Path("one.jpg").touch()
    with pytest.raises(SettingError, match="is a file; expected a folder"):
        make_plan(["scans/a.jpg", "scans/b.PNG"], "one.jpg")


def test_two_inputs_with_one_output(tree: Path) -> None:
    with pytest.raises(SettingError, match=r"out/a\.jpg would come from scans/a\.jpg and scans/1903/a\.jpg"):
        make_plan(["scans/a.jpg", "scans/1903/a.jpg"], "out/")
    (tree / "scans/a.png").touch()
    plan = make_plan(["scans"], recursive=True, format="webp")
    assert sorted(error.name for error in plan.refused) == ["scans/a.jpg", "scans/a.png"]
    assert all("two inputs have one output" in str(error) for error in plan.refused)
    assert set(targets(plan)) == {"scans/b.PNG", "scans/1903/a.jpg", "scans/1903/c.heic"}  # the others are done


def test_the_same_file_twice_is_one_input(tree: Path) -> None:
    (tree / "link").symlink_to("scans")
    assert targets(make_plan(["scans/a.jpg", "./scans/a.jpg", "link/a.jpg", f"{tree}/scans/a.jpg"])) == {
        "scans/a.jpg": "scans/a.color.jpg"
    }


def test_links_to_one_folder_are_one_folder(tree: Path) -> None:
    (tree / "link").symlink_to("scans")
    with pytest.raises(SettingError, match="its own colours"):
        make_plan(["scans/a.jpg"], "link/")
    (tree / "one").mkdir()
    (tree / "two").symlink_to("one")
    (tree / "one/a.jpg").touch()
    assert targets(make_plan(["one", "two"], recursive=True)) == {"one/a.jpg": "one/a.color.jpg"}


def test_input_is_never_replaced(tree: Path) -> None:
    with pytest.raises(SettingError, match="its own colours"):
        make_plan(["scans/a.jpg"], "scans/a.jpg")
    plan = make_plan(["scans"], "scans", recursive=True)
    assert sorted(error.name for error in plan.refused) == ["scans/1903/a.jpg", "scans/a.jpg", "scans/b.PNG"]
    assert targets(plan) == {"scans/1903/c.heic": "scans/1903/c.jpg"}


def test_a_folder_among_files_does_not_stop_them(tree: Path) -> None:
    plan = make_plan(["scans/1903", "scans/a.jpg"])
    assert [str(error) for error in plan.refused] == ["scans/1903: is a folder; add -r to colour the photographs in it"]
    assert targets(plan) == {"scans/a.jpg": "scans/a.color.jpg"}


def test_what_servers_put_beside_photographs_is_found_only_by_name(tree: Path) -> None:
    helpers = ["@eaDir/a.jpg/SYNOPHOTO_THUMB_M.jpg", "#recycle/x.jpg", "__MACOSX/x.jpg", "$RECYCLE.BIN/x.jpg",
               "lost+found/x.jpg", ".@__thumb/x.jpg", ".AppleDouble/x.jpg", ".thumbnails/x.png", "._a.jpg"]  # fmt: skip
    before = targets(make_plan(["scans"], recursive=True))
    for name in helpers:
        (tree / "scans" / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / "scans" / name).touch()
    assert targets(make_plan(["scans"], recursive=True)) == before
    assert set(targets(make_plan(["scans/**/*.jpg"]))) == {"scans/a.jpg", "scans/1903/a.jpg"}
    for name in helpers:
        assert list(targets(make_plan([f"scans/{name}"]))) == [f"scans/{name}"]


def test_the_first_bytes_give_the_suffix_that_a_name_lacks(tree: Path) -> None:
    for name in ("noext", "wrong.bmp", "UPPER.JPG"):
        (tree / name).write_bytes(b"\xff\xd8\xff\xe0")
    assert targets(make_plan(["noext", "wrong.bmp", "UPPER.JPG"])) == {
        "noext": "noext.color.jpg", "wrong.bmp": "wrong.color.jpg", "UPPER.JPG": "UPPER.color.JPG",
    }  # fmt: skip


@pytest.mark.parametrize(("alias", "suffix"), [("jpeg", "jpg"), ("tif", "tif"), ("JPEG", "jpg")])
def test_other_names_of_formats(alias: str, suffix: str, tree: Path) -> None:
    assert targets(make_plan(["scans/b.PNG"], format=alias)) == {"scans/b.PNG": f"scans/b.color.{suffix}"}


def test_in_place(tree: Path) -> None:
    assert targets(make_plan(["scans/a.jpg"], in_place=True)) == {"scans/a.jpg": "scans/a.jpg"}
    for options in ({"output": "x.jpg"}, {"format": "png"}):
        with pytest.raises(SettingError, match="--in-place"):
            make_plan(["scans/a.jpg"], in_place=True, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["a\0b.jpg", "lone\ud800.jpg", "x" * 300 + ".jpg"])
def test_names_that_no_file_can_have(name: str, tree: Path) -> None:
    plan = make_plan([name, "scans/a.jpg"])
    assert len(plan.refused) == 1 and list(targets(plan)) == ["scans/a.jpg"]


def test_output_that_is_another_input(tree: Path) -> None:
    """An unmarked a.color.jpg is someone's own photograph; a marked one is an earlier run's."""
    (tree / "scans/a.color.jpg").touch()
    names = ["scans/a.jpg", "scans/a.color.jpg"]
    foreign = make_plan(names, overwrite=True)
    assert isinstance(foreign.refused[0], OutputError)
    assert "scans/a.color.jpg is itself one of the inputs" in str(foreign.refused[0])
    assert targets(foreign) == {"scans/a.color.jpg": "scans/a.color.color.jpg"}
    kept = make_plan(names)  # nothing that exists is replaced, so both are jobs (and one of them will be refused)
    assert len(kept.jobs) == 2
    ours = make_plan(names, is_marked=lambda path: path.name == "a.color.jpg")
    assert targets(ours) == {"scans/a.jpg": "scans/a.color.jpg"}
    assert ours.made == [Path("scans/a.color.jpg")]


def test_marked_photographs_do_not_clash(tree: Path) -> None:
    (tree / "scans/a.color.jpg").touch()
    (tree / "scans/a.color.png").touch()
    plan = make_plan(["scans"], "out", recursive=True, format="jpg", is_marked=lambda path: ".color" in path.name)
    assert sorted(plan.made) == [Path("scans/a.color.jpg"), Path("scans/a.color.png")]
    assert "scans/a.jpg" in targets(plan)


def test_folder_that_cannot_be_read(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.scandir

    def scandir(path: str) -> object:
        if str(path).endswith("1903"):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    plan = make_plan(["scans"], recursive=True)
    assert len(plan.jobs) == 2
    assert isinstance(plan.refused[0], UnreadablePhotoError)
    assert "scans/1903: cannot be read (Permission denied)" in str(plan.refused[0])


def test_names_of_any_bytes(tree: Path) -> None:
    name = os.fsdecode(b"caf\xe9\n.jpg")
    (tree / "scans" / name).touch()
    plan = make_plan(["scans"], recursive=True)
    assert f"scans/{name}" in targets(plan)


_parts = st.sampled_from(["a", "b", "a.color", "A", "ä", "x.y"])
_suffixes = st.sampled_from([".jpg", ".jpeg", ".png", ".tif", ".heic", ".JPG"])
_files = st.lists(st.tuples(st.lists(_parts, max_size=2), _parts, _suffixes), min_size=1, max_size=12)


@given(
    files=_files,
    as_files=st.booleans(),
    output=st.sampled_from([None, "out/", "tree/a/"]),
    format=st.sampled_from(["same", "jpg", "png"]),
    marked=st.sampled_from(["nothing", ".color", "everything"]),
)
def test_no_two_inputs_share_an_output_and_no_input_is_one(
    files: list[tuple[list[str], str, str]], as_files: bool, output: str | None, format: str, marked: str
) -> None:
    def is_marked(path: Path) -> bool:
        return marked == "everything" or marked in path.name

    with tempfile.TemporaryDirectory() as folder, chdir(folder):
        for parts, stem, suffix in files:
            path = Path("tree", *parts, stem + suffix)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        inputs = [str(path) for path in sorted(Path("tree").rglob("*")) if path.is_file()] if as_files else ["tree"]
        try:
            plan = make_plan(inputs, output, recursive=True, format=format, overwrite=True, is_marked=is_marked)
        except SettingError:
            return
        written = [os.path.realpath(job.target) for job in plan.jobs if job.target is not None]
        read = {os.path.realpath(job.source) for job in plan.jobs if job.source is not None}
        assert len(written) == len(set(written)) == len(plan.jobs)
        assert read.isdisjoint(written)
        assert read.isdisjoint(map(os.path.realpath, plan.made))
        # Nothing is lost without a word (what lies in the output folder is not an input).
        named = {os.path.realpath(path) for path in inputs} if as_files else read
        told = read | {os.path.realpath(p) for p in plan.made} | {os.path.realpath(e.name) for e in plan.refused}
        assert named <= told
