"""Whether summaries follow from their documents, by the spec's model of entailment."""

from collections.abc import Sequence

import numpy as np

from infra.object_store import ObjectStore
from infra.progress import bar
from models.contracts import Weights
from tasks.metrics.faithfulness import Entails, faithfulness
from tasks.metrics.language import mean
from tasks.metrics.summed import Summed


def entails_by(model: Weights, store: ObjectStore) -> Entails:
    """Loads the model."""
    from models.text_pairs import Entailment

    loaded = Entailment(store.get_folder(model.prefix, model.files))

    def entails(premises: Sequence[str], hypotheses: Sequence[str]) -> np.ndarray:
        with bar("reading for entailment", total=len(premises), unit="pairs") as advance:
            return loaded.probabilities(premises, hypotheses, advance=advance)

    return entails


def grade_faithfulness(texts: Sequence[str], summaries: Sequence[str], entails: Entails) -> Summed:
    return mean("faithfulness", faithfulness(texts, summaries, entails), "mean of SummaC-ZS, jackknife")
