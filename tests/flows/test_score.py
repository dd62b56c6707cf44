"""Rows that are many are scored on the GPU pool: as a stored job, once, and with an answer that can be found again."""

from pathlib import Path
from typing import Any

import pytest

from errors import PoolError
from flows import score
from infra.object_store import ObjectStore
from infra.workspace import Workspace
from models.spec import read_spec
from tasks import jobs
from tasks.finetuning import store_folder
from tests.flows.conftest import Home
from tests.tiny import kept_table, sentences

pytestmark = pytest.mark.filterwarnings("ignore:Logger 'prefect")


def test_rows_go_to_the_gpu_pool_from_as_many_as_the_settings_say_and_come_back_once(
    home: Home, store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec, weights = read_spec(home.spec), store_folder(home.folder / "model", store=store)
    few, many = kept_table(sentences(19), store), kept_table(sentences(20), store)
    away = Workspace(store, home.folder / "away", gpu_pool="upkeep-gpu", gpu_from_rows=20)
    sent: list[tuple[str, str]] = []

    def on_a_worker(deployment: str, parameters: dict[str, Any], *, key: str) -> None:
        assert parameters["home"] == str(home.folder / "away")
        sent.append((deployment, key))
        score.score.fn(parameters["job"], Path(parameters["home"]))

    monkeypatch.setattr(jobs, "run_on_pool", lambda *_, **__: None)  # a worker of another store
    with pytest.raises(PoolError, match=r"jobs/.* completed and left no result: its worker writes to another store"):
        score.score_somewhere(spec, many, weights, of="the window", work=away)
    monkeypatch.setattr(jobs, "run_on_pool", on_a_worker)
    assert score.score_somewhere(spec, few, weights, of="the window", work=away).rows == 19
    assert sent == []
    found = score.score_somewhere(spec, many, weights, of="the window", work=away)
    assert found.rows == 20
    assert score.score_somewhere(spec, many, weights, of="the window", work=away) == found
    assert [deployment for deployment, _ in sent] == ["score/test"]
    score.score_somewhere(spec, kept_table(sentences(21), store), weights, of="the window", work=away)
    assert len({key for _, key in sent}) == 2
    here = Workspace(store, home.folder / "here", gpu_pool=None, gpu_from_rows=20)
    score.score_somewhere(spec, kept_table(sentences(22), store), weights, of="the window", work=here)
    assert len(sent) == 2
