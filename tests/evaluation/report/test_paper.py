from __future__ import annotations

import pytest

from photochrom.evaluation.report.paper import ADDRESS, TABLE_1


def test_the_paper_s_conclusions_follow_from_its_table() -> None:
    rows = {row.name: row for row in TABLE_1}
    full, grey = rows["full method"], rows["grey"]
    assert full.rebalanced_auc - grey.rebalanced_auc == pytest.approx(9.3)
    assert full.auc - grey.auc == pytest.approx(0.4)
    judged = {row.name: row.taken_for_real for row in TABLE_1 if row.taken_for_real and row.name != "ground truth"}
    assert max(judged, key=judged.__getitem__) == "full method"
    assert max((row for row in TABLE_1 if row.auc < 100), key=lambda row: row.auc).name == "Larsson et al."
    # Classification's share of the gap between grey and colour that the full method wins back.
    gap = rows["ground truth"].top_1 - grey.top_1
    assert (full.top_1 - grey.top_1) / gap == pytest.approx(0.21, abs=0.005)
    assert [row.name for row in TABLE_1 if row.milliseconds is None] == ["ground truth", "grey", "random", "Dahl"]


def test_the_address_is_the_paper_s() -> None:
    assert ADDRESS.startswith("https://") and ADDRESS.endswith("/1603.08511")
