"""The models by which the spec measures others, copied into the store; what does not fit is refused before any training."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from infra.keys import Keys
from infra.object_store import ObjectStore
from models.contracts import Instruments, Weights
from models.judging import Evaluation
from models.sections import ModelSource
from tasks.importing import import_source

CONFIG = "config.json"


def import_instruments(evaluation: Evaluation, *, base: str, store: ObjectStore) -> Instruments:
    """Named by their content, so that a change of one measures anew."""
    reward = evaluation.judge.reward_model if evaluation.judge else None
    return Instruments(
        entailment=import_entailment(evaluation, base=base, store=store),
        reward=_import(reward, "evaluation.judge.reward_model", "refuse_no_reward", base, store),
    )  # fmt: skip


def import_entailment(evaluation: Evaluation, *, base: str, store: ObjectStore) -> Weights | None:
    return _import(evaluation.entailment_model, "evaluation.entailment_model", "refuse_no_entailment", base, store)


def _import(source: str | None, field: str, refusal: str, base: str, store: ObjectStore) -> Weights | None:
    if source is None:
        return None
    found = import_source(ModelSource(source=source), base=base, store=store, field=field, prefix=Keys.instruments)
    _refuse_unfit(found, refusal, store)
    store.get_used(found.prefix + CONFIG)  # `upkeep gc` deletes what no run used for long
    return found


def _refuse_unfit(found: Weights, refusal: str, store: ObjectStore) -> None:
    """By its configuration alone: nothing large is loaded here."""
    from transformers import AutoConfig

    from models import text_pairs

    refuse: Callable[[Any, Path], None] = getattr(text_pairs, refusal)
    folder = store.get_folder(found.prefix, tuple(file for file in found.files if file.path == CONFIG))
    refuse(AutoConfig.from_pretrained(folder), folder)
