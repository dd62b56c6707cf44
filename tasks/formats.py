"""Numbers and texts as people read them in a report."""

import math
import shlex
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unicodedata import bidirectional, category

from models.contracts import Estimate
from models.measures import METRICS

_FROM_THE_RIGHT = {"R", "AL", "AN", "RLE", "RLO", "RLI"}
_OF_TEXTS = {"perplexity", "bits_per_byte"}
_EXACT = 1e15
"""Above it a double does not hold every digit before the point."""
_UNITS = ("B", "kB", "MB", "GB")


def percent(share: float) -> str:
    return f"{share:.1%}"


def percent_beside(share: float, limit: float, *, least: int = 1) -> str:
    """With as many digits as it takes to read like the limit only where it is that: 49.96 % is not written as 50.0 %.
    `least`: digits behind the point."""
    rounded = ((places, round(share, places + 2)) for places in range(least, 15))
    places = next((p for p, r in rounded if r == share or (r != limit and (r < limit) == (share < limit))), 15)
    return f"{share:.{places}%}"


def whole_percent(share: float) -> str:
    """A limit, as the spec has it."""
    return percent(share) if round(share, 3) == share else f"{100 * share:.10g}%"


def whole_signed(share: float) -> str:
    """A limit in hundredths, as the spec has it."""
    return signed(share) if round(share, 3) == share else f"{100 * share:+.10g}"


def whole_value(metric: str, limit: float) -> str:
    """A limit of a metric, as the spec has it."""
    if METRICS[metric].is_share:
        return whole_percent(limit)
    rounded = value(metric, limit)
    return rounded if float(rounded.replace(",", "")) == limit else f"{limit:,.10g}"


def value(metric: str, number: float) -> str:
    """A metric as it is written: shares in per cent, others with four digits, or all of those before the point."""
    return percent(number) if METRICS[metric].is_share else f"{number:.4g}" if number < 1000 else _whole(number)


def measured(estimate: Estimate, metric: str = "accuracy") -> str:
    """A metric with its interval; any share where none is named."""
    return f"{value(metric, estimate.value)} {span(estimate, metric)}"


def span(estimate: Estimate, metric: str) -> str:
    """The interval alone."""
    return f"[{value(metric, estimate.low)}, {value(metric, estimate.high)}]"


def points(estimate: Estimate) -> str:
    """A difference of shares in percentage points, or of others in per cent, with its interval."""
    return f"{signed(estimate.value)} [{signed(estimate.low)}, {signed(estimate.high)}]"


def unit(metric: str) -> str:
    """What a difference of this metric is counted in."""
    return "points" if METRICS[metric].is_share else "%"


def loss(metric: str, share: float) -> str:
    """'a drop of 5 points', or 'a rise of 5 %' of what is better the less it is."""
    return f"a {'rise' if METRICS[metric].better == 'less' else 'drop'} of {100 * share:.3g} {unit(metric)}"


def signed(share: float) -> str:
    """In hundredths, with its sign."""
    rounded = round(100 * share, 1) + 0.0  # never -0.0
    return f"{rounded:+.1f}" if abs(rounded) < _EXACT else f"{rounded:+.3g}"


def _whole(number: float) -> str:
    return f"{number:,.0f}" if number < _EXACT else f"{number:.3g}"


def p_value(p: float) -> str:
    """Two digits, or a power of ten; below what a double can tell apart only that it is."""
    if p < 1e-16:
        return "< 1e-16"
    return f"{p:.1e}" if p < 0.001 else f"{p:.{1 - math.floor(math.log10(p)) if p < 0.1 else 2}f}"


def threshold(p: float) -> str:
    """Of p-values; at 0 nothing is an alarm, however small."""
    return p_value(p) if p else "none"


def p_in_words(p: float) -> str:
    """As a sentence has it. A smaller one is no number to be believed: the Kolmogorov-Smirnov limit is off by orders of
    magnitude there."""
    return "1e-16 or less" if p < 1e-16 else f"{p:.2g}"


def digits(number: float) -> str:
    """Three, and all of those before the point: '0.42', '14.1', '1,253'."""
    return f"{number:.3g}" if abs(number) < 100 else f"{number:,.0f}"


def count(number: int) -> str:
    return f"{number:,}"


def amount(number: int, thing: str) -> str:
    """'1 row', '2,000 rows'."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def amount_is(number: int, thing: str) -> str:
    """'1 row is', '20 rows are'."""
    return f"{amount(number, thing)} {'is' if number == 1 else 'are'}"


def basis(metric: str, number: int) -> str:
    """What a metric rests on: '400 labels'; '400 rows' of one that may be of the rows' own texts, which need none."""
    return amount(number, "row" if metric in _OF_TEXTS else "label")


def measurable(metric: str | None) -> str:
    """What rows are by which one measures: 'labelled', unless the metric may be of their own texts."""
    return "to measure by" if metric in _OF_TEXTS else "labelled"


def duration(seconds: float) -> str:
    """'0.3 s', '83 s', '4.2 min', '12 min', '3 h 5 min'."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 120:
        return f"{whole} s"
    if whole < 600:
        return f"{seconds / 60:.1f} min"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"


def size(bytes_: float) -> str:
    for unit in _UNITS:
        if bytes_ < 999.5 or unit == _UNITS[-1]:
            break
        bytes_ /= 1000
    return f"{bytes_:.0f} {unit}" if unit == "B" or bytes_ >= 100 else f"{bytes_:.1f} {unit}"


def visible(text: str) -> str:
    """Text of a row without what a terminal would obey: control characters, but for the end of a line and the tab."""
    return "".join("\ufffd" if category(letter) == "Cc" and letter not in "\n\t" else letter for letter in text)


def isolated(name: str) -> str:
    """A name that rows gave, in a sentence. Written from right to left, it would take the numbers behind it along, and
    '50 % → 30 %' be read as a rise."""
    found = visible(name)
    return f"\u2068{found}\u2069" if any(bidirectional(letter) in _FROM_THE_RIGHT for letter in found) else found


def typed(path: Path | str) -> str:
    """A file as one types it in a command: 'my spec.yaml' in quotes."""
    return shlex.quote(str(path))


def moment(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def minute_after(at: datetime) -> str:
    """The first whole minute at which it has come: what is forbidden until then is allowed at it."""
    return moment(at + timedelta(seconds=59, microseconds=999_999))


def words(metric: str) -> str:
    """'macro_f1' as 'macro F1'."""
    return METRICS[metric].words if metric in METRICS else metric.replace("_", " ")
