"""Which of two models people prefer, how sure that is, and how far those who rated the same things agree beyond chance."""

from collections import Counter
from collections.abc import Iterable, Sequence

from scipy import special  # of stats, which takes half a second more to import, nothing is needed

from models.contracts import Estimate

LEVEL = 0.95


def win_rate(wins: int, decided: int) -> Estimate:
    """Share of the decided comparisons that were won, with two one-sided 95 % bounds (Clopper and Pearson, Biometrika
    1934): a true share below `low` would give so many wins in at most one case in twenty. Nothing decided says nothing."""
    low = float(special.betaincinv(wins, decided - wins + 1, 1 - LEVEL)) if wins else 0.0
    high = float(special.betaincinv(wins + 1, decided - wins, LEVEL)) if wins < decided else 1.0
    return Estimate(value=wins / decided if decided else 0.5, low=low, high=high, n=decided,
                    method="exact binomial, one-sided 95 % bounds")  # fmt: skip


def krippendorffs_alpha(units: Iterable[Sequence[str]]) -> float | None:
    """Krippendorff's alpha for nominal values (Krippendorff, Content Analysis, 2004, chapter 11): 1 - observed over
    expected disagreement; 1 is perfect, 0 is chance, below 0 worse than that.

    `units`: what was said of each thing, by however many people. None where no two people rated the same thing, or where
    everybody always said the same, so that chance would agree as well.
    """
    rated = [Counter(said) for said in units if len(said) > 1]
    totals = sum(rated, Counter[str]())
    pairable = totals.total()
    if not pairable:
        return None
    observed = sum(_disagreeing(said) / (said.total() - 1) for said in rated) / pairable
    expected = _disagreeing(totals) / (pairable * (pairable - 1))
    return 1 - observed / expected if expected else None


def _disagreeing(said: Counter[str]) -> int:
    """Ordered pairs of which the two differ."""
    return said.total() ** 2 - sum(count**2 for count in said.values())
