"""Proposals in their file formats, and OpenCV's search."""

from __future__ import annotations

import sys
import types

import numpy as np
import pytest
from scipy.io import savemat

from photochrom.errors import DataError, SettingError
from photochrom.features.voc.proposals import read_proposals, search_proposals

BOXES = np.array([[1, 1, 128, 96], [11, 21, 30, 25]], np.float32)  # VOC's: from 1, the last pixel included
OURS = [[0, 0, 128, 96], [10, 20, 30, 25]]


def npz(path, **arrays):
    np.savez_compressed(path, **arrays)
    return path


def test_npz(tmp_path):
    path = npz(tmp_path / "p.npz", **{"000001": BOXES, "000002": BOXES[:1]})
    found = read_proposals([path], ["000001", "000002"])
    assert found["000001"].tolist() == OURS
    assert found["000002"].tolist() == OURS[:1]


def test_csv(tmp_path):
    path = tmp_path / "p.csv"
    path.write_text("photograph,xmin,ymin,xmax,ymax\n000001,1,1,128,96\n000002,5,6,7,8\n000001,11,21,30,25\n")
    assert read_proposals([path], ["000001"])["000001"].tolist() == OURS


def test_mat_as_published(tmp_path):
    images, boxes = np.empty((2, 1), object), np.empty((1, 2), object)
    images[:, 0] = ["000001", "000002"]
    boxes[0, 0], boxes[0, 1] = BOXES[:, [1, 0, 3, 2]], BOXES[:1, [1, 0, 3, 2]]  # row first
    savemat(tmp_path / "p.mat", {"images": images, "boxes": boxes})
    found = read_proposals([tmp_path / "p.mat"], ["000001", "000002"])
    assert found["000001"].tolist() == OURS
    assert found["000002"].tolist() == OURS[:1]


def test_several_files_and_a_folder(tmp_path):
    first = npz(tmp_path / "p.npz", **{"000001": BOXES})
    folder = tmp_path / "boxes"
    folder.mkdir()
    np.save(folder / "000002.npy", BOXES[:1])
    assert set(read_proposals([first, folder], ["000001", "000002"])) == {"000001", "000002"}


def test_what_is_there_twice_comes_once(tmp_path):
    path = npz(tmp_path / "p.npz", a=np.concatenate([BOXES, BOXES]))
    assert len(read_proposals([path], ["a"])["a"]) == 2


def test_photographs_without_boxes_are_named(tmp_path):
    path = npz(tmp_path / "p.npz", a=BOXES, b=np.zeros((0, 4)))
    with pytest.raises(DataError, match=r"p\.npz: no boxes for 2 of 3 photographs \(b, c\)"):
        read_proposals([path], ["a", "b", "c"])


def test_widths_in_the_place_of_corners_are_noticed(tmp_path):
    path = npz(tmp_path / "p.npz", a=np.array([[50, 60, 20, 20]]))
    with pytest.raises(DataError, match="a has the box 50, 60 to 20, 20; expected xmin <= xmax"):
        read_proposals([path], ["a"])


@pytest.mark.parametrize("array", [np.zeros((3, 5)), np.zeros(4), np.full((1, 4), np.nan)])
def test_arrays_of_another_shape(tmp_path, array):
    with pytest.raises(DataError, match=r"expected \[n, 4\], all values finite"):
        read_proposals([npz(tmp_path / "p.npz", a=array)], ["a"])


def test_damaged_and_unknown_files(tmp_path):
    (tmp_path / "p.npz").write_text("no zip")
    with pytest.raises(DataError, match=r"p\.npz: not proposals"):
        read_proposals([tmp_path / "p.npz"], ["a"])
    with pytest.raises(DataError, match=r"q\.npz: not there; expected a file or folder of proposals"):
        read_proposals([tmp_path / "q.npz"], ["a"])
    (tmp_path / "p.txt").write_text("")
    with pytest.raises(DataError, match=r"has the suffix '\.txt'"):
        read_proposals([tmp_path / "p.txt"], ["a"])
    (tmp_path / "p.csv").write_text("a,1,2,3,4\n")
    with pytest.raises(DataError, match=r"p\.csv, line 1: is 'a,1,2,3,4'; expected the header"):
        read_proposals([tmp_path / "p.csv"], ["a"])
    (tmp_path / "p.csv").write_text("photograph,xmin,ymin,xmax,ymax\na,1,2,3,4\na,1,2,x,4\n")
    with pytest.raises(DataError, match=r"p\.csv, line 3: is 'a,1,2,x,4'"):
        read_proposals([tmp_path / "p.csv"], ["a"])
    savemat(tmp_path / "p.mat", {"regions": np.zeros((2, 2))})
    with pytest.raises(DataError, match=r"p\.mat: not proposals"):
        read_proposals([tmp_path / "p.mat"], ["a"])


def test_a_mat_file_that_was_cut_off_and_one_of_a_newer_format(tmp_path):
    path = tmp_path / "p.mat"
    names, boxes = np.empty((2, 1), object), np.empty((1, 2), object)
    names[:, 0] = ["a", "b"]
    boxes[0, :] = [BOXES, BOXES[:1]]
    for compressed in (False, True):
        savemat(path, {"images": names, "boxes": boxes}, do_compression=compressed)
        whole = path.read_bytes()
        for length in range(0, len(whole), 5):
            path.write_bytes(whole[:length])
            with pytest.raises(DataError, match=r"p\.mat: not proposals"):
                read_proposals([path], ["a", "b"])
    path.write_bytes(b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM" + bytes(384) + b"\x89HDF\r\n\x1a\n")
    with pytest.raises(DataError, match=r"p\.mat: is in MATLAB's format 7\.3; expected an older one"):
        read_proposals([path], ["a", "b"])


def test_an_opencv_without_the_search(monkeypatch, paths, tmp_path):
    monkeypatch.setitem(sys.modules, "cv2", types.SimpleNamespace(__version__="5.0"))
    with pytest.raises(SettingError, match=r"this OpenCV \(5\.0\) has no selective search"):
        search_proposals(paths, tmp_path / "boxes")
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(SettingError, match="takes OpenCV, which is not installed"):
        search_proposals(paths, tmp_path / "boxes")
    assert not list(tmp_path.iterdir())


class FakeSearch:
    """Gives boxes as x, y, width, height; counts its runs."""

    runs = 0

    def setBaseImage(self, image):
        assert image.dtype == np.uint8
        self.shape = image.shape

    def switchToSelectiveSearchFast(self):
        pass

    def process(self):
        FakeSearch.runs += 1
        return np.array([[10, 20, 20, 5], [0, 0, self.shape[1], self.shape[0]]])


def test_the_search_is_kept_and_not_repeated(monkeypatch, paths, tmp_path):
    segmentation = types.SimpleNamespace(createSelectiveSearchSegmentation=FakeSearch)
    fake = types.SimpleNamespace(ximgproc=types.SimpleNamespace(segmentation=segmentation))
    monkeypatch.setitem(sys.modules, "cv2", fake)
    first = search_proposals(paths, tmp_path / "boxes")
    assert first["000001"].tolist() == OURS
    assert FakeSearch.runs == len(paths)
    again = search_proposals(paths, tmp_path / "boxes")
    assert FakeSearch.runs == len(paths)
    assert all((again[name] == boxes).all() for name, boxes in first.items())
    assert read_proposals([tmp_path / "boxes"], ["000002"])["000002"].tolist() == OURS
