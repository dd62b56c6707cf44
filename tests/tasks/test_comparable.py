import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from infra.object_store import ObjectStore
from models.contracts import Reference
from models.recipe import Training
from models.rows import Split, content_digest, split_of
from tasks.comparable import _trains, comparable_rows, trained_texts
from tests.tiny import kept_table, sentences

TRAINING = Training()
SHARES = {"validation_share": TRAINING.validation_share, "test_share": TRAINING.test_share}


def test_what_trains_is_what_the_split_says_also_at_its_very_edge() -> None:
    edge = round((TRAINING.test_share + TRAINING.validation_share) * 16**13)
    contents = [content_digest(f"text {i}") for i in range(2000)]
    contents += [f"{number:013x}" + rest for number in range(edge - 2, edge + 3) for rest in ("0" * 19, "f" * 19)]
    found = _trains(pa.array(contents), TRAINING).to_pylist()
    assert found == [split_of(content, **SHARES) is Split.TRAIN for content in contents]


@pytest.mark.parametrize("repeated", [0, 60])
def test_where_rows_repeat_what_trained_only_those_of_the_held_out_part_are_compared(
    repeated: int, store: ObjectStore
) -> None:
    reference = sentences(300)
    trained = [t for t in reference["text"] if split_of(content_digest(t), **SHARES) is Split.TRAIN]
    window = pd.concat([reference[reference["text"].isin(trained[:repeated])], sentences(200, start=5000)])
    held = Reference(table=kept_table(reference, store), newest_origin="w")
    found = comparable_rows(kept_table(window, store), held, training=TRAINING, store=store)
    held_out = [split_of(content_digest(t), **SHARES) is not Split.TRAIN for t in window["text"]]
    assert found.rows.tolist() == (np.flatnonzero(held_out) if repeated else np.arange(len(window))).tolist()
    assert bool(found.note) == bool(repeated)
    assert trained_texts(held, training=TRAINING, most=1000, store=store) == trained
    assert trained_texts(held, training=TRAINING, most=7, store=store) == trained[:7]


def test_a_handful_of_rows_that_all_repeat_what_trained_is_looked_at_and_not_refused(store: ObjectStore) -> None:
    reference = sentences(300)
    trained = [split_of(content_digest(t), **SHARES) is Split.TRAIN for t in reference["text"]]
    held = Reference(table=kept_table(reference, store), newest_origin="w")
    found = comparable_rows(kept_table(reference[trained][:3], store), held, training=TRAINING, store=store)
    assert found.rows.tolist() == [0, 1, 2]
    assert "100% of the rows repeat texts" in found.note and "no others" in found.note


def test_an_empty_window_has_no_rows_to_compare(store: ObjectStore) -> None:
    held = Reference(table=kept_table(sentences(20), store), newest_origin="w")
    nothing = kept_table(sentences(3).iloc[:0], store)
    assert len(comparable_rows(nothing, held, training=TRAINING, store=store).rows) == 0
