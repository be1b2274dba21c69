"""Filters out of patches, against numpy and against clusters that are known."""

import numpy as np
import pytest
import torch
from skimage import color, data
from torch import nn

from photochrom.training.filters import set_filters


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def photographs():
    lightness = [color.rgb2lab(photograph()[:96, :96])[..., 0] for photograph in (data.astronaut, data.coffee)]
    return (torch.tensor(np.stack(lightness)[:, None], dtype=torch.float32) - 50) / 100  # [2, 1, 96, 96]


def test_pca_gives_the_principal_directions():
    values = np.random.default_rng(0).normal(size=(500, 6)) @ np.diag([9, 7, 5, 3, 2, 1])
    turn = np.linalg.qr(np.random.default_rng(1).normal(size=(6, 6)))[0]
    values = values @ turn + 3
    layer = nn.Linear(6, 4)
    with torch.no_grad():
        set_filters(layer, torch.from_numpy(values).float(), "pca", generator())
    directions = np.linalg.eigh(np.cov(values.T))[1][:, ::-1].T[:4]
    overlap = np.abs((layer.weight.detach().numpy() * directions).sum(1))
    np.testing.assert_allclose(overlap, 1, atol=1e-2)  # three rounds of an iteration
    assert not layer.bias.any()


def test_pca_of_photographs_patches(photographs):
    """The convolution's patches are cut right: the first filter is that of numpy's sliding windows."""
    layer = nn.Conv2d(1, 3, 3, padding=1)
    with torch.no_grad():
        set_filters(layer, photographs, "pca", generator())
    padded = np.pad(photographs[:, 0].numpy(), [(0, 0), (1, 1), (1, 1)])
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2)).reshape(-1, 9)
    first = np.linalg.eigh(np.cov(windows.T))[1][:, -1]
    assert abs(layer.weight[0].detach().numpy().ravel() @ first) > 0.999


def test_kmeans_finds_the_clusters():
    """Patches in twelve directions: those of a random orthogonal basis of 6 dimensions and their opposites."""
    random = np.random.default_rng(0)
    basis = np.linalg.qr(random.normal(size=(6, 6)))[0]
    signed = np.concatenate([basis, -basis])[random.integers(0, 12, 4000)]
    points = torch.tensor(signed + random.normal(size=signed.shape) * 0.05, dtype=torch.float32)
    layer = nn.Linear(6, 40)
    with torch.no_grad():
        set_filters(layer, points, "kmeans", generator())
    overlap = layer.weight.detach().numpy() @ np.concatenate([basis, -basis]).T  # [40, 12]
    assert (overlap.max(0) > 0.98).all()  # every cluster has a filter
    assert (overlap.max(1) > 0.98).all()  # and every filter a cluster


@pytest.mark.parametrize("kind", ["kmeans", "pca", "gaussian"])
@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(6, 8, 3, stride=2, padding=2, dilation=2),
        nn.Conv2d(6, 8, 5, padding="same", bias=False),
        nn.Conv2d(6, 9, (3, 1), groups=3),
        nn.ConvTranspose2d(6, 8, 4, 2, 1),
        nn.ConvTranspose2d(6, 9, 3, 2, 1, groups=3),
        nn.Conv2d(6, 8, 15),  # larger than the input: a layer may pad by itself
    ],
)
def test_every_kind_of_layer_gets_filters_that_differ(layer, kind):
    x = torch.randn(8, 6, 12, 12, generator=generator())
    with torch.no_grad():
        set_filters(layer, x, kind, generator())
    weight = layer.weight.detach()
    if isinstance(layer, nn.ConvTranspose2d):
        weight = weight.unflatten(0, (layer.groups, -1)).transpose(1, 2).flatten(0, 1)
    flat = nn.functional.normalize(weight.flatten(1))
    assert flat.isfinite().all()
    for group in flat.chunk(layer.groups):
        assert ((group @ group.T) - torch.eye(len(group))).abs().max() < 0.99


def test_a_transposed_convolution_leaves_no_chequerboard():
    layer = nn.ConvTranspose2d(5, 4, 4, 2, 1)
    with torch.no_grad():
        set_filters(layer, torch.rand(8, 5, 16, 16, generator=generator()), "kmeans", generator())
        flat = layer(torch.full((1, 5, 8, 8), 0.7))[..., 2:-2, 2:-2]
    assert flat.abs().max() > 0.1
    torch.testing.assert_close(flat, flat[..., :1, :1].expand_as(flat), rtol=1e-4, atol=1e-4)


def test_a_transposed_convolution_is_the_convolution_at_each_cell():
    """Its filter sees the same 2x2 cells of the input, the same way round, as a convolution of the same patches."""
    x = torch.randn(8, 5, 16, 16, generator=generator())
    up, flat = nn.ConvTranspose2d(5, 4, 4, 2, 1), nn.Conv2d(5, 4, 2, padding=1)
    with torch.no_grad():
        set_filters(up, x, "pca", generator())
        set_filters(flat, x, "pca", generator())
        # Rows 2m and 2m - 1 of the output see rows m - 1 and m of the input: row m of the padded convolution.
        torch.testing.assert_close(up(x)[..., ::2, ::2], flat(x)[..., :-1, :-1], rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(up(x)[..., 1::2, 1::2], flat(x)[..., 1:, 1:], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", ["kmeans", "pca"])
def test_fewer_patches_than_filters_and_equal_patches_still_give_filters(kind):
    for rows in (torch.rand(3, 7), torch.full((500, 7), 0.3), torch.zeros(500, 7)):
        layer = nn.Linear(7, 5)
        with torch.no_grad():
            set_filters(layer, rows, kind, generator())
        torch.testing.assert_close(layer.weight.norm(dim=1), torch.ones(5))
