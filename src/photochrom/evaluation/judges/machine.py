"""The machine judge: can a classifier trained on half of the photographs tell coloured from real on the other half?

It looks at one picture at a time and says "real" or "coloured"; its error is the share of wrong answers over all
pictures, half of them real: 50% when it cannot tell, 0% when it always can. It is not the human figure, which is the
share of pairs in which the coloured picture was taken for the real one: given pairs, a machine would use any artefact
that all coloured pictures share, such as the resolution of their colours, and separate even the best perfectly. Near
50% means that these features carry no cue; a low figure that there is a cue, not that people would see it.

The error depends on the number of training photographs: figures are comparable on the same photographs only.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ...errors import DataError
from .. import bootstrap
from ..results import Interval, JudgeScores

MIN_PHOTOGRAPHS = (
    20  # fewer get no figure: a judge trained on very few photographs is at chance level with a large variance
)
MOST_PHOTOGRAPHS = 5000  # of more, so many are judged, evenly spread: the interval is then within a point of the figure
MOST_ERROR = 10.0  # %: a judge with a larger error on random colours is not reliable
FOLDS = 5
STRENGTHS = tuple(10.0**power for power in range(-5, 0))  # C of the logistic regression: smaller is more regularised
ITERATIONS = 2000


def judge(
    real: NDArray[np.floating], coloured: NDArray[np.floating], *, seed: int = 0, resamples: int = bootstrap.RESAMPLES
) -> JudgeScores:
    """The error of judges that never saw the photograph: one trained on the even positions judges the odd ones, and
    the other way round.

    real, coloured: features [n, D] of the photographs and of their coloured twins, in the same order
    (JudgeFeatures.of). A photograph and its twin are always on the same side; of more than MOST_PHOTOGRAPHS a spread is
    used. Regularisation is chosen by cross-validation within the training half; seed: of its folds and of the
    bootstrap. The interval is over photographs, twins together, for the judges as trained. A tie counts as half
    an error.

    The figures are NaN for fewer than MIN_PHOTOGRAPHS, and such a judge is not `trustworthy`. Raises DataError for
    shapes that differ and for values that are not finite.
    """
    if real.shape != coloured.shape or real.ndim != 2:
        raise DataError(
            f"judge: features of shape {list(real.shape)} and {list(coloured.shape)}; expected [n, D] twice"
        )
    if not (np.isfinite(real).all() and np.isfinite(coloured).all()):
        raise DataError("judge: features that are not finite; expected those of JudgeFeatures")
    if len(real) < MIN_PHOTOGRAPHS:
        return JudgeScores(Interval(math.nan, math.nan, math.nan), len(real))
    if len(real) > MOST_PHOTOGRAPHS:
        spread = np.arange(MOST_PHOTOGRAPHS) * len(real) // MOST_PHOTOGRAPHS
        real, coloured = real[spread], coloured[spread]
    even, odd = slice(0, None, 2), slice(1, None, 2)
    errors = np.empty(len(real))
    for learnt, judged in ((even, odd), (odd, even)):
        errors[judged] = _errors(real[learnt], coloured[learnt], real[judged], coloured[judged], seed)
    low, high = bootstrap.interval(lambda counts: counts @ errors / len(errors), len(errors), resamples, seed)
    return JudgeScores(Interval(100 * float(errors.mean()), 100 * float(low), 100 * float(high)), len(errors))


def trustworthy(random_scores: JudgeScores) -> bool:
    """Whether the judge may be reported: only if it tells `random`, the colours of other photographs, from real ones
    with an error under 10%; never with too few photographs."""
    return random_scores.error.value < MOST_ERROR


def _errors(
    real: NDArray[np.floating],
    coloured: NDArray[np.floating],
    judged_real: NDArray[np.floating],
    judged_coloured: NDArray[np.floating],
    seed: int,
) -> NDArray[np.float64]:
    """Errors 0..1 on each judged photograph and its twin, by a judge trained on the first two."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV, GroupKFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    n = len(real)
    # Twins share a group, so that they are never split between folds; group numbers are shuffled, since folds use them.
    group = np.tile(np.random.default_rng(seed).permutation(n), 2)
    search = GridSearchCV(
        make_pipeline(StandardScaler(), LogisticRegression(max_iter=ITERATIONS)),
        {"logisticregression__C": STRENGTHS},
        cv=GroupKFold(FOLDS),
        scoring="neg_log_loss",
    )
    search.fit(np.concatenate([real, coloured]).astype(np.float64), np.repeat([1, 0], n), groups=group)
    says_real, says_coloured = (
        search.decision_function(features.astype(np.float64)) for features in (judged_real, judged_coloured)
    )
    return (_wrong(says_real) + _wrong(-says_coloured)) / 2


def _wrong(margin: NDArray[np.float64]) -> NDArray[np.float64]:
    """1 where the margin of the right answer is negative, half where there is none."""
    return (margin < 0) + 0.5 * (margin == 0)
