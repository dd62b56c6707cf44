import time
from collections.abc import Iterator

import pytest
import torch

from models import threads


@pytest.fixture(autouse=True)
def _unchanged() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("fastest", [1, 2, 4])
def test_the_thread_count_that_is_fastest_now_is_taken(fastest: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "_at_first", lambda: 4)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    found = threads.choose_threads(lambda: time.sleep(0.001 if torch.get_num_threads() == fastest else 0.02))
    assert found == fastest == torch.get_num_threads()
