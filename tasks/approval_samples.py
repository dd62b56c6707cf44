"""What a person sees before answering: rows that nobody trained on, with the champion's and the candidate's answers.

Rows on which the two differ come first: on the others there is nothing to choose. Among them every row has the same
chance, so that what people say of the drawn ones holds for all.
"""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np
from prefect import task
from prefect.cache_policies import NO_CACHE

from infra.object_store import ObjectStore
from infra.stages import once
from models.contracts import ModelKind, Samples, Scores, SideBySide, Table
from tasks.metrics.drawing import draw_in_proportion
from tasks.outputs import answers_of, confidence_of, outputs_of
from tasks.rating_sheets import write_sheet

if TYPE_CHECKING:
    import pandas as pd

SHOWN_CHARACTERS = 300


@task(name="sample answers", cache_policy=NO_CACHE)
@once("approval-samples")
def sample_answers(
    rows: Table, champion: Scores, candidate: Scores, *, kind: ModelKind, wanted: int, store: ObjectStore
) -> Samples:
    """At most `wanted` of the sealed rows, a text once: drawn in proportion to what changed into what, and then, where
    too few differ, in proportion to the common answer."""
    answered = _answered(rows, champion, candidate, kind, store)
    differs = (answered.champion != answered.candidate).to_numpy()
    rng = np.random.default_rng(kind.seed)
    drawn = _draw(answered[differs], wanted, rng)
    drawn += _draw(answered[~differs], wanted - len(drawn), rng)
    with TemporaryDirectory() as folder:
        sheet = Path(folder) / "samples.csv"
        write_sheet(drawn, sheet)
        stored = Table.of(store.put_blob("approvals", sheet), rows=len(drawn))
    return Samples(sheet=stored, shown=tuple(map(_cut, drawn)), differing=int(differs.sum()), rows=len(answered))


def _answered(table: Table, champion: Scores, candidate: Scores, kind: ModelKind, store: ObjectStore) -> "pd.DataFrame":
    import pandas as pd

    rows = pd.read_parquet(store.get_file(table), columns=["text", "label", "content"])
    for who, scores in (("champion", champion), ("candidate", candidate)):
        outputs = outputs_of(scores, store=store)
        rows[who] = answers_of(outputs, kind)
        rows[f"{who}_confidence"] = confidence_of(outputs, kind).round(4)
    return rows.drop_duplicates("content").reset_index(drop=True)


def _draw(rows: "pd.DataFrame", wanted: int, rng: np.random.Generator) -> list[SideBySide]:
    changes = (rows.champion + "\n" + rows.candidate).to_numpy(dtype=str)
    found = rows.iloc[draw_in_proportion(changes, min(wanted, len(rows)), rng)].astype(object)
    return [SideBySide.model_validate(row) for row in found.where(found.notna(), None).to_dict("records")]


def _cut(row: SideBySide) -> SideBySide:
    texts = {name: getattr(row, name) for name in ("text", "label", "champion", "candidate")}
    long = {name: text for name, text in texts.items() if text and len(text) > SHOWN_CHARACTERS}
    return row.model_copy(update={name: text[: SHOWN_CHARACTERS - 1] + "…" for name, text in long.items()})
