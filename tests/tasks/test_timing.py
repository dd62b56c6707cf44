import numpy as np
import pytest

from tasks.timing import percentiles


@pytest.mark.parametrize("rows", [1, 2, 4, 19, 30, 40, 99, 101, 1000])
def test_within_a_percentile_lies_at_least_the_share_that_it_names(rows: int) -> None:
    values = np.random.default_rng(rows).lognormal(3, 1, rows)
    found = percentiles(values)
    assert found.n == rows
    assert found.p50 == pytest.approx(np.median(values))
    for share, limit in ((0.95, found.p95), (0.99, found.p99)):
        assert (values <= limit).mean() >= share
        assert (values < limit).mean() < share  # and it is the least of which that is true
