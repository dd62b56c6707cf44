import random
import tracemalloc

import pytest

from models.rows import content_digest
from tasks.metrics.seen import Seen


def test_it_answers_as_a_dict_does_whatever_the_order_and_number() -> None:
    rng, seen, plain = random.Random(1), Seen(), {}
    for i in range(5000):
        content = content_digest(str(rng.randrange(3000)))
        assert (content in seen) == (content in plain)
        if content not in plain:
            plain[content] = seen[content] = (f"größe-{i % 7}.csv:{i}", rng.choice(["a", "b", None]))
    assert len(seen) == len(plain) > 1024
    assert all(seen[content] == value for content, value in plain.items())


def test_contents_that_fall_into_one_slot_are_told_apart() -> None:
    alike = [f"{7:016x}{i:016x}" for i in range(50)]
    seen = Seen()
    for i, content in enumerate(alike[:40]):
        seen[content] = (f"p:{i}", None)
    assert [content in seen for content in alike] == [True] * 40 + [False] * 10
    assert seen[alike[7]] == ("p:7", None)
    with pytest.raises(KeyError):
        seen[alike[45]]
    with pytest.raises(KeyError, match="seen before"):
        seen[alike[0]] = ("q:1", None)


def test_a_row_takes_less_than_a_hundred_bytes() -> None:
    contents = [content_digest(str(i)) for i in range(20_000)]
    tracemalloc.start()
    seen = Seen()
    for i, content in enumerate(contents):
        seen[content] = (f"incoming/day.csv:{i}", "positive")
    taken = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert taken < 100 * len(contents)
