"""Coverage of the 95% intervals of `photochrom study report`.

    python benchmarks/study_coverage.py [--studies 1000] [--json docs/measured/study_coverage.json]

Simulated studies in which participants and photographs both vary (photochrom.study.simulation): 36 answers a
participant that count, planned by the study's own plan. `crossed` is the interval over participants and photographs,
the one the report puts first; `participants` is the paper's bootstrap over participants alone, which does not know that
other photographs would give another figure. Exits 1 where `crossed` at 40 participants covers the true rate in fewer
than 92% or more than 97% of the studies.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict
from pathlib import Path

from photochrom.study.simulation import Population, coverage

PARTICIPANTS = (10, 40, 200)
PHOTOGRAPHS = (60, 300)
RATES = (0.1, 0.3, 0.5)
EFFECTS = {"moderate": (0.4, 0.7), "strong": (0.8, 1.4)}  # logit: sd of participants, of photographs
AT, LEAST, MOST = 40, 0.92, 0.97


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()

    began = time.perf_counter()
    rows = []
    print("participants photographs effects   rate   crossed: covered  width    participants: covered  width")
    for participants in PARTICIPANTS:
        for photographs in PHOTOGRAPHS:
            for effects, (person, photograph) in EFFECTS.items():
                for rate in RATES:
                    population = Population(rate, person, photograph)
                    found = coverage(population, participants, photographs, options.studies, options.seed)
                    crossed, alone = found["crossed"], found["participants"]
                    print(
                        f"{participants:12} {photographs:11} {effects:9} {rate:4.1f} "
                        f"{crossed.covered:17.1%} {crossed.width:6.3f} {alone.covered:24.1%} {alone.width:6.3f}",
                        flush=True,
                    )
                    design = {"participants": participants, "photographs": photographs, "effects": effects}
                    intervals = {name: asdict(each) for name, each in found.items()}
                    rows.append({**design, **asdict(population), "intervals": intervals})
    at = [row["intervals"]["crossed"]["covered"] for row in rows if row["participants"] == AT]
    result = {
        "studies": options.studies,
        "seed": options.seed,
        f"crossed_at_{AT}": {"least": min(at), "most": max(at)},
        "seconds": time.perf_counter() - began,
        "settings": rows,
    }
    print(
        f"crossed, {AT} participants: {min(at):.1%} to {max(at):.1%} of the studies; wanted {LEAST:.0%} to {MOST:.0%}"
    )
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(result, indent=2) + "\n")
    return 0 if min(at) >= LEAST and max(at) <= MOST else 1


if __name__ == "__main__":
    raise SystemExit(main())
