"""AlexNet, made dense: the published layers, and what they would give if moved over the photograph pixel by pixel."""

import pytest
import torch
from skimage import color, data
from torch import nn
from torch.nn import functional

from photochrom.nets.alexnet import AlexNet

pytestmark = pytest.mark.usefixtures("one_thread")

# Weights and biases of the published AlexNet with two groups (Caffe's bvlc_reference_caffenet), from its layers' sizes.
PUBLISHED = {
    "conv1": 34_944, "conv2": 307_456, "conv3": 885_120, "conv4": 663_936, "conv5": 442_624, "fc6": 37_752_832,
    "fc7": 16_781_312,
}  # fmt: skip
FIELD = 355  # pixels that one value of fc7 sees: 11 + 2 * 4 + 4 * 8 + 2 * 8 + 3 * 2 * 16 + 2 * 16 + 5 * 32


def settle(network):
    """Batch statistics and affine parameters unlike those of a fresh network."""
    random = torch.Generator().manual_seed(0)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor, least in ((module.running_mean, -1), (module.running_var, 0.5), (module.bias.data, -0.5)):
                tensor.copy_(torch.rand(tensor.shape, generator=random) + least)
    return network.eval()


def original(network, x):
    """AlexNet up to fc7 as published: strides of 2 in all pools, nothing dilated; here without any padding."""

    def layer(name, x, stride=1, groups=1):
        conv, norm, _ = getattr(network, name)
        return functional.relu(norm(functional.conv2d(x, conv.weight, conv.bias, stride, groups=groups)))

    x = functional.max_pool2d(layer("conv1", x, 4), 3, 2)
    x = functional.max_pool2d(layer("conv2", x, groups=2), 3, 2)
    x = layer("conv5", layer("conv4", layer("conv3", x), groups=2), groups=2)
    return layer("fc7", layer("fc6", functional.max_pool2d(x, 3, 2)))


def test_has_the_published_parameters():
    with torch.device("meta"):
        network = AlexNet(batch_norm=False)
    counts = {name: sum(p.numel() for p in getattr(network, name).parameters()) for name in PUBLISHED}
    assert counts == PUBLISHED | {"conv1": PUBLISHED["conv1"] - 2 * 96 * 11 * 11}  # one channel in, not three
    assert network.head.weight.shape == (313, 4096, 1, 1)


def test_is_the_original_evaluated_at_every_eighth_pixel():
    torch.manual_seed(0)
    network = settle(AlexNet(1 / 16).double())
    lightness = torch.from_numpy(color.rgb2lab(data.astronaut()[:384, 64:448])[None, None, ..., 0])
    found = {}
    network.fc7.register_forward_hook(lambda m, args, y: found.update(fc7=y.clone()))
    with torch.no_grad():
        network(lightness)
        for row, column in ((22, 22), (22, 25), (24, 23), (25, 24)):
            # 21 cells to the first tap of fc6 and all before it, and the 5 pixels that conv1 is padded by.
            top, left = 8 * (row - 21) - 5, 8 * (column - 21) - 5
            window = (lightness - 50)[:, :, top : top + FIELD, left : left + FIELD]
            expected = original(network, window)
            assert expected.shape[2:] == (1, 1) and expected.std() > 1e-3
            torch.testing.assert_close(found["fc7"][..., row, column], expected[..., 0, 0])
            assert abs((left + FIELD / 2) - (8 * column + 4)) <= 0.5  # the middles of the window and of the cell


def test_batch_norm_is_ahead_of_every_relu():
    network = AlexNet(1 / 16)
    layers = [module for module in network.children() if isinstance(module, nn.Sequential) and len(module) == 3]
    assert [[type(part) for part in layer] for layer in layers] == [[nn.Conv2d, nn.BatchNorm2d, nn.ReLU]] * 7
    # Each feature has both signs ahead of the ReLU, so that none is dead from the start.
    lightness = torch.from_numpy(color.rgb2lab(data.coffee()[:256:4, :256:4])[None, None, ..., 0]).float()
    before = {}
    for name in PUBLISHED:
        getattr(network, name)[1].register_forward_hook(lambda m, a, y, name=name: before.update({name: y.clone()}))
    with torch.no_grad():
        network.train()(lightness)
    for y in before.values():
        values = y.movedim(1, -1).flatten(0, -2)
        assert (values.amin(0) < 0).all() and (values.amax(0) > 0).all()


@pytest.mark.parametrize(("height", "width"), [(32, 32), (64, 96), (40, 72)])
def test_gives_an_eighth_of_each_side(height, width):
    assert AlexNet(1 / 16, 5).eval()(torch.rand(2, 1, height, width) * 100).shape == (2, 5, height // 8, width // 8)


def test_width_scales_the_channels_to_even_numbers():
    network = AlexNet(0.25)
    shapes = {name: getattr(network, name)[0].weight.shape for name in ("conv1", "conv2", "fc6")}
    assert shapes == {"conv1": (24, 1, 11, 11), "conv2": (64, 12, 5, 5), "fc6": (1024, 64, 6, 6)}
    assert network.head.weight.shape == (313, 1024, 1, 1)
    assert AlexNet(0.03).conv1[0].out_channels == 2


@pytest.mark.parametrize("width", [0, -1, float("nan")])
def test_refuses_a_width_without_channels(width):
    with pytest.raises(ValueError, match="width"):
        AlexNet(width)
