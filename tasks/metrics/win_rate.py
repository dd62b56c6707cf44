"""How often people prefer one of two models, and how sure that is."""

from scipy import stats

from models.contracts import Estimate

LEVEL = 0.95


def win_rate(wins: int, decided: int) -> Estimate:
    """Share of the decided comparisons that were won, with two one-sided 95 % bounds (Clopper and Pearson, Biometrika
    1934): a true share below `low` would give so many wins in at most one case in twenty. Nothing decided says nothing."""
    low = float(stats.beta.ppf(1 - LEVEL, wins, decided - wins + 1)) if wins else 0.0
    high = float(stats.beta.ppf(LEVEL, wins + 1, decided - wins)) if wins < decided else 1.0
    return Estimate(value=wins / decided if decided else 0.5, low=low, high=high, n=decided,
                    method="exact binomial, one-sided 95 % bounds")  # fmt: skip
