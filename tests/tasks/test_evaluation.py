"""Champion and candidate on the same rows, with models that need no weights."""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
import pytest

from errors import ModelError
from infra.object_store import ObjectStore
from models.adapter import Predictions
from models.contracts import ModelKind, Scorecard, Weights
from models.recipe import Training
from tasks.dataset import build_training_set, freeze_reference
from tasks.evaluation import by_length, evaluate
from tests.tiny import kept_table, sentences

KIND = ModelKind(task="text-classification", labels=("negative", "positive"), max_tokens=16, seed=1)
CHAMPION, CANDIDATE = (Weights(prefix=name, files=(), content_digest=name) for name in ("champion", "candidate"))


class Reads:
    """A model that knows the words that decide."""

    def predict(self, texts: Sequence[str], *, advance: Callable[[int], None], labels: object = None) -> Predictions:
        positive = np.array([0.9 if any(w in t for w in ("good", "great", "fine")) else 0.1 for t in texts], np.float32)
        return Predictions(np.stack([1 - positive, positive], 1), np.zeros((len(texts), 1), np.float32), None)


class Broken(Reads):
    """An adapter of one's own, whose weights are damaged."""

    def predict(self, texts: Sequence[str], *, advance: Callable[[int], None], labels: object = None) -> Predictions:
        found = super().predict(texts, advance=advance)
        return Predictions(np.full_like(found.numbers, np.nan), found.embeddings, None)


@pytest.fixture(autouse=True)
def without_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.evaluation._load", lambda *_: Reads())


def scored(new: pd.DataFrame, old: pd.DataFrame, store: ObjectStore) -> Scorecard:
    reference = freeze_reference.fn(kept_table(old, store), None, origin="old", store=store)
    built = build_training_set.fn(kept_table(new, store), reference, training=Training(), seed=1, store=store)
    return evaluate.fn(built, CHAMPION, CANDIDATE, kind=KIND, store=store)


def rows_on(scorecard: Scorecard) -> dict[str, int]:
    return {c.on: c.difference.n for c in scorecard.comparisons if c.metric == "accuracy"}


def test_a_text_that_came_again_counts_once_in_the_slices(store: ObjectStore) -> None:
    on = rows_on(scored(sentences(400), sentences(500, start=200), store))
    apart = rows_on(scored(sentences(400), sentences(300, start=400), store))
    assert on["current"] == apart["current"]
    assert on["reference"] > apart["reference"]
    of_labels = {name: rows for name, rows in on.items() if name.startswith("slice:label=")}
    assert sum(of_labels.values()) == apart["current"] + apart["reference"]
    assert of_labels == {name: apart[name] for name in of_labels}


def test_a_probability_that_is_no_number_is_no_vote_for_the_first_label(
    store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.evaluation._load", lambda weights, *_: Broken() if weights == CANDIDATE else Reads())
    with pytest.raises(ModelError, match=r"no number \(NaN or infinity\)"):
        scored(sentences(400), sentences(500, start=400), store)


@pytest.mark.parametrize("lengths", [[30, 31, 32, 33], [31, 32, 33, 34], [7], [5, 5, 5], []])
def test_what_a_slice_of_lengths_is_called_holds_for_each_of_its_rows(lengths: list[int]) -> None:
    texts = np.array(lengths, int)
    shorter, longer = by_length(texts).items()
    at = int(shorter[0].removeprefix("slice:length<="))
    assert longer[0] == f"slice:length>{at}"
    assert shorter[1].tolist() == (texts <= at).tolist()
    assert longer[1].tolist() == (texts > at).tolist()


def test_slices_are_those_that_the_spec_names_now_and_a_null_is_none(store: ObjectStore) -> None:
    shops = {"slice:shop": ["north", None] * 250}
    old = sentences(500, start=400).assign(**shops, **{"slice:language": "en"})
    on = rows_on(scored(sentences(400).assign(**{"slice:shop": "north"}), old, store))
    named = [name for name in on if "shop" in name or "language" in name]
    assert named == ["slice:shop=north"]
    assert on["current"] < on["slice:shop=north"] < on["current"] + on["reference"]
    bare = rows_on(scored(sentences(400), old, store))
    assert not [name for name in bare if "shop" in name or "language" in name]
