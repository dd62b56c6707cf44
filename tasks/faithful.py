"""Do the champion's summaries still say what their documents say? No reference is needed to see that they do not."""

import numpy as np
from prefect import task
from prefect.cache_policies import NO_CACHE

from infra.object_store import ObjectStore
from infra.stages import once
from models.contracts import Estimate, ModelKind, MonitoringReport, QualityCheck, Scored, Weights
from tasks.entailment import entails_by, grade_faithfulness
from tasks.metrics import summed
from tasks.score_files import read_texts
from tasks.sides import sample

ROWS = 200
"""So many of each side are read: a row takes sentences × sentences passes of the model."""


def check_faithfulness(
    monitoring: MonitoringReport, now: Scored, then: Scored, *, entailment: Weights | None, kind: ModelKind,
    store: ObjectStore,
) -> MonitoringReport:  # fmt: skip
    """The report with the faithfulness of the window's summaries, held against that of the baseline's; as it was, where
    the spec names no model of entailment."""
    if entailment is None or not now.rows.rows or not then.rows.rows:
        return monitoring
    is_, was = (measure_faithfulness(side, entailment=entailment, kind=kind, store=store) for side in (now, then))
    check = QualityCheck(
        metric="faithfulness", now=is_, at_release=was, p_value=summed.got_worse("faithfulness", is_, was),
        test="one-sided, Welch, from the jackknife intervals",
    )  # fmt: skip
    return monitoring.model_copy(update={"faithfulness": check})


@task(name="measure faithfulness", cache_policy=NO_CACHE)
@once("faithfulness")
def measure_faithfulness(side: Scored, *, entailment: Weights, kind: ModelKind, store: ObjectStore) -> Estimate:
    """Of what was written for at most `ROWS` of the rows, a sample by the spec's seed."""
    import pandas as pd

    chosen = sample(side.rows.rows, ROWS, np.random.default_rng(kind.seed))
    texts = pd.read_parquet(store.get_file(side.rows), columns=["text"])["text"].iloc[chosen].astype(str).tolist()
    said = read_texts(store.get_file(side.scores.arrays), rows=chosen) or []
    return summed.measure(grade_faithfulness(texts, said, entails_by(entailment, store)))
