"""How far people who rated the same things agree beyond chance."""

from collections import Counter
from collections.abc import Iterable, Sequence


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
