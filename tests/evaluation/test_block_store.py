from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from photochrom.errors import OutputError
from photochrom.evaluation.block_store import BlockStore, digest


def test_what_is_saved_comes_back(tmp_path: Path) -> None:
    store = BlockStore(tmp_path, "key")
    assert store.load(3) is None and not store.has(3)
    store.save(3, {"a": np.arange(6.0).reshape(2, 3), "why": np.array(["", "grey"])})
    found = store.load(3)
    assert found is not None
    np.testing.assert_array_equal(found["a"], [[0, 1, 2], [3, 4, 5]])
    assert found["why"].tolist() == ["", "grey"]
    assert BlockStore(tmp_path, "key").has(3)
    assert BlockStore(tmp_path, "other").load(3) is None


def test_what_is_remembered_is_gone_with_the_run(tmp_path: Path) -> None:
    store = BlockStore(tmp_path, "key")
    store.remember(0, {"a": np.ones(2)})
    assert store.has(0)
    assert not BlockStore(tmp_path, "key").has(0)


def test_a_damaged_block_is_made_again(tmp_path: Path) -> None:
    BlockStore(tmp_path, "key").save(0, {"a": np.arange(1000.0)})
    (file,) = tmp_path.rglob("*.npz")
    whole = file.read_bytes()
    for damaged in (b"", whole[: len(whole) // 2], b"nonsense" * 100):
        file.write_bytes(damaged)
        assert not BlockStore(tmp_path, "key").has(0)


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="file"):
        BlockStore(tmp_path / "file", "key").save(0, {"a": np.ones(1)})


def test_digest_tells_things_apart() -> None:
    assert digest("a", 1, [2.0]) == digest("a", 1, [2.0])
    assert len({digest("a", 1), digest("a", 2), digest("b", 1), digest(["a", 1]), digest("a1")}) == 5
