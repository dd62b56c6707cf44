import time
from collections.abc import Iterator
from types import SimpleNamespace

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


def test_neither_a_slow_first_call_nor_a_burst_of_other_work_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    seconds = iter([9, 9, 2, 2, 1, 2, 2, 9, 2, 2])  # the first call, and then one, two and four threads in turn

    def work() -> None:
        now[0] += next(seconds)

    monkeypatch.setattr(threads, "_at_first", lambda: 4)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(threads, "time", SimpleNamespace(perf_counter=lambda: now[0]))
    assert threads.choose_threads(work) == 1


@pytest.mark.parametrize(("on_a_gpu", "most"), [(True, 4), (False, 1)])
def test_where_there_is_nothing_to_choose_nothing_is_tried(
    on_a_gpu: bool, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[int] = []
    monkeypatch.setattr(threads, "_at_first", lambda: most)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: on_a_gpu)
    assert threads.choose_threads(lambda: tried.append(1)) == torch.get_num_threads()
    assert tried == []


def test_the_threads_that_torch_began_with_are_not_forgotten_once_fewer_were_chosen() -> None:
    first = threads._at_first()
    torch.set_num_threads(first + 1)
    assert threads._at_first() == first
