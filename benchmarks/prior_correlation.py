"""How well the prior of a set of photographs agrees with a published one, and how fast it is measured.

    python benchmarks/prior_correlation.py --data SHARDS --reference prior_probs.npy [--photographs N] [--json FILE]

Spearman's rank correlation over the 313 bins, of the measured prior with the reference ([313], .npy or PRIOR.npz).
Exits 1 where it is below 0.96.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path

import numpy as np

from photochrom.data.prior import load_prior, survey_prior
from photochrom.data.sources import find_photos

AT_LEAST = 0.96


def spearman(x: np.ndarray, y: np.ndarray) -> float:
    """Pearson's correlation of the ranks, equal values sharing their mean rank."""
    return float(np.corrcoef(_ranks(x), _ranks(y))[0, 1])


def _ranks(values: np.ndarray) -> np.ndarray:
    _, group, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[group]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True)
    parser.add_argument("--reference", type=Path, required=True)
    parser.add_argument("--photographs", type=int, help="look at so many, drawn at random; all by default")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()

    reference = load_prior(options.reference)
    began = time.perf_counter()
    photos = find_photos(options.data)
    listed = time.perf_counter()
    measured = survey_prior(photos, options.photographs, options.seed, options.jobs)
    seconds = time.perf_counter() - listed
    looked_at = measured.photographs + measured.skipped.total
    result = {
        "photographs": measured.photographs,
        "left_out": dict(measured.skipped.counts),
        "bins_in_use": int((measured.prior > 0).sum()),
        "spearman": spearman(measured.prior, reference),
        "listing_seconds": listed - began,
        "seconds": seconds,
        "photographs_per_second": looked_at / seconds,
        "processes": options.jobs,
        "load": round(os.getloadavg()[0], 1),
    }
    print(json.dumps(result, indent=2))
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n")
    return 0 if result["spearman"] >= AT_LEAST else 1


if __name__ == "__main__":
    raise SystemExit(main())
