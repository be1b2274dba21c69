"""What the paper printed: Table 1 of "Colorful Image Colorization" (Zhang, Isola, Efros, 2016), section 3.1.

Measured there on 10,000 photographs of ImageNet's validation set, with VGG-16 and with people on Mechanical Turk. They
are in the report to compare rankings and differences, never as if measured on the reader's photographs.
"""

from __future__ import annotations

from dataclasses import dataclass

TITLE = "Colorful Image Colorization"
AUTHORS = "Zhang, Isola and Efros, 2016"
ADDRESS = "https://arxiv.org/abs/1603.08511"


@dataclass(frozen=True)
class PaperRow:
    """One row of Table 1; None where the paper has no figure."""

    name: str
    auc: float  # %
    rebalanced_auc: float  # %
    top_1: float  # %: of VGG-16 on the coloured photographs
    taken_for_real: float | None = None  # %: trials in which people took the coloured photograph for the real one
    milliseconds: float | None = None  # per photograph, on the paper's GPU


TABLE_1 = (
    PaperRow("ground truth", 100.0, 100.0, 68.3, 50.0),
    PaperRow("grey", 89.1, 58.0, 52.7),
    PaperRow("random", 84.2, 57.3, 41.0, 13.0),
    PaperRow("Dahl", 90.4, 58.9, 48.7, 18.3),
    PaperRow("Larsson et al.", 91.7, 65.9, 59.4, 27.2, 122.1),
    PaperRow("L2", 91.2, 64.4, 54.9, 21.2, 17.8),
    PaperRow("L2, fine-tuned", 91.5, 66.2, 56.5, 23.9, 17.8),
    PaperRow("classification", 91.6, 65.1, 56.6, 25.2, 22.1),
    PaperRow("full method", 89.5, 67.3, 56.0, 32.3, 22.1),
)
