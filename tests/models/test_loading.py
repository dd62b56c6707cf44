"""What batches of rows may hold (what a folder must hold is in test_text_classification.py and test_writers.py)."""

import pytest

from models.loading import token_batches


@pytest.mark.parametrize(
    ("lengths", "batches"),
    [
        ([], []),
        ([3], [[0]]),
        ([4, 6, 4, 2], [[1], [0, 2], [3]]),
        ([5, 5, 5], [[0, 1], [2]]),
        ([1, 99, 1], [[1], [0, 2]]),
    ],
)
def test_a_padded_batch_fills_its_budget_at_most_and_a_row_that_is_longer_goes_alone(
    lengths: list[int], batches: list[list[int]]
) -> None:
    assert list(token_batches(lengths, tokens=10)) == batches
