"""eccv16 has the paper's size, keys, strides and cost."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from photochrom.nets.eccv16 import ECCV16


def test_has_the_published_keys_and_parameters():
    network = ECCV16()
    assert sum(p.numel() for p in network.parameters()) == pytest.approx(32.24e6, rel=1e-3)
    expected = {f"model{block}.{i}" for block in (1, 2) for i in (0, 2, 4)}
    expected |= {f"model{block}.{i}" for block in range(3, 8) for i in (0, 2, 4, 6)}
    expected |= {f"model8.{i}" for i in (0, 2, 4, 6)}
    assert {key.rsplit(".", 1)[0] for key in network.state_dict()} == expected
    assert network.model8[0].weight.shape == (512, 256, 4, 4)
    assert network.model8[6].weight.shape == (313, 256, 1, 1)


def test_costs_what_the_paper_says():
    with torch.device("meta"):
        network, lightness = ECCV16().eval(), torch.zeros(1, 1, 256, 256)
        with FlopCounterMode(display=False) as counter:
            assert network(lightness).shape == (1, 313, 64, 64)
    assert counter.get_total_flops() == pytest.approx(83.6e9, rel=2e-3)


def test_width_scales_the_channels_but_not_the_bins():
    network = ECCV16(0.25)
    assert network.model8[6].weight.shape == (313, 64, 1, 1)
    assert network(torch.rand(1, 1, 32, 40)).shape == (1, 313, 8, 10)


def test_refuses_a_width_without_channels():
    with pytest.raises(ValueError, match="width"):
        ECCV16(0)
