"""siggraph17 has the published keys and shapes, and computes what the paper's network does, layer for layer."""

import pytest
import torch
from torch.nn import functional

from photochrom.nets.siggraph17 import SIGGRAPH17


def random_state(network: torch.nn.Module, seed: int = 0) -> dict[str, torch.Tensor]:
    """Numbers for every entry, of a size that keeps activations near 1."""
    random = torch.Generator().manual_seed(seed)
    state = {}
    for key, value in network.state_dict().items():
        if value.dtype == torch.int64:
            state[key] = torch.tensor(7)
            continue
        noise = torch.randn(value.shape, generator=random)
        if value.ndim == 4:
            state[key] = noise * (2 / value[0].numel()) ** 0.5
        elif key.endswith("running_var"):
            state[key] = 0.5 + noise.abs()
        elif key.endswith("weight"):
            state[key] = 1 + 0.1 * noise
        else:
            state[key] = 0.1 * noise
    return state


def by_hand(state: dict[str, torch.Tensor], lightness: torch.Tensor) -> torch.Tensor:
    """The forward pass written out from the paper's table with torch's functions."""

    def conv(x, key, dilation=1, padding=None):
        pad = dilation if padding is None else padding
        return functional.conv2d(x, state[f"{key}.weight"], state[f"{key}.bias"], padding=pad, dilation=dilation)

    def norm(x, key):
        mean, variance = state[f"{key}.running_mean"], state[f"{key}.running_var"]
        return functional.batch_norm(x, mean, variance, state[f"{key}.weight"], state[f"{key}.bias"])

    def up(x, key):
        return functional.conv_transpose2d(x, state[f"{key}.weight"], state[f"{key}.bias"], stride=2, padding=1)

    def block(x, name, convolutions, dilation=1):
        for i in range(convolutions):
            x = functional.relu(conv(x, f"{name}.{2 * i}", dilation))
        return norm(x, f"{name}.{2 * convolutions}")

    n, _, h, w = lightness.shape
    x = torch.cat([(lightness - 50) / 100, torch.zeros(n, 3, h, w)], 1)
    conv1 = block(x, "model1", 2)
    conv2 = block(conv1[:, :, ::2, ::2], "model2", 2)
    conv3 = block(conv2[:, :, ::2, ::2], "model3", 3)
    conv4 = block(conv3[:, :, ::2, ::2], "model4", 3)
    conv7 = block(block(block(conv4, "model5", 3, 2), "model6", 3, 2), "model7", 3)
    x = functional.relu(up(conv7, "model8up.0") + conv(conv3, "model3short8.0"))
    x = functional.relu(conv(functional.relu(conv(x, "model8.1")), "model8.3"))
    x = functional.relu(up(norm(x, "model8.5"), "model9up.0") + conv(conv2, "model2short9.0"))
    x = norm(functional.relu(conv(x, "model9.1")), "model9.3")
    x = functional.relu(up(x, "model10up.0") + conv(conv1, "model1short10.0"))
    x = functional.leaky_relu(conv(x, "model10.1"), 0.2)
    return 110 * torch.tanh(conv(x, "model_out.0", padding=0))


def test_has_the_published_keys_and_shapes():
    with torch.device("meta"):
        state = SIGGRAPH17().state_dict()
    expected = {f"model{block}.{i}" for block in (1, 2) for i in (0, 2, 4)}
    expected |= {f"model{block}.{i}" for block in range(3, 8) for i in (0, 2, 4, 6)}
    expected |= {"model8up.0", "model3short8.0", "model8.1", "model8.3", "model8.5", "model9up.0", "model2short9.0"}
    expected |= {"model9.1", "model9.3", "model10up.0", "model1short10.0", "model10.1", "model_class.0", "model_out.0"}
    assert {key.rsplit(".", 1)[0] for key in state} == expected
    shapes = {key: tuple(value.shape) for key, value in state.items()}
    assert shapes["model1.0.weight"] == (64, 4, 3, 3)
    assert shapes["model8up.0.weight"] == (512, 256, 4, 4)
    assert shapes["model9up.0.weight"] == (256, 128, 4, 4)
    assert shapes["model1short10.0.weight"] == (128, 64, 3, 3)
    assert shapes["model_class.0.weight"] == (529, 256, 1, 1)
    assert shapes["model_out.0.weight"] == (2, 128, 1, 1)


@pytest.mark.parametrize("width", [1 / 16, 1 / 4])
def test_computes_the_papers_layers(width):
    network = SIGGRAPH17(width).eval()
    state = random_state(network)
    network.load_state_dict(state)
    lightness = 100 * torch.rand(2, 1, 48, 40, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        ab = network(lightness)
        expected = by_hand(state, lightness)
    assert ab.shape == (2, 2, 48, 40)
    assert expected.std() > 5  # not a network that says nothing
    torch.testing.assert_close(ab, expected, rtol=0, atol=1e-4)


def test_colours_stay_within_the_scale():
    network = SIGGRAPH17(1 / 32).eval()
    state = random_state(network)
    state["model_out.0.weight"] *= 1000
    network.load_state_dict(state)
    with torch.inference_mode():
        assert network(100 * torch.rand(1, 1, 32, 32)).abs().max() == 110


def test_refuses_a_width_without_channels():
    with pytest.raises(ValueError, match="width"):
        SIGGRAPH17(0)
