"""Every example of `upkeep demo`, from its data to the first step of its first training; whole demos take minutes each."""

import importlib
from pathlib import Path

import pandas as pd
import pytest

from flows.demo import EXAMPLES
from models.adapter import Examples, adapter_for
from models.rows import ITSELF
from models.spec import ModelSpec, read_spec
from models.yaml12 import load_yaml

NAMES = sorted(found.parent.name for found in EXAMPLES.glob("*/acts.yaml"))


def rows(spec: ModelSpec, batch: Path) -> Examples:
    """A few of a batch, under the names that the spec gives its columns."""
    table = pd.read_csv(batch, dtype=str, nrows=24)
    label = spec.columns.label
    return Examples(table[spec.columns.text].tolist(), table[label].tolist() if label else [ITSELF] * len(table))


def ignore(rows: int) -> None:
    pass


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_an_example_is_laid_out_with_all_of_its_days_and_its_model_takes_a_step(name: str, tmp_path: Path) -> None:
    importlib.import_module(f"examples.{name}.prepare").prepare(tmp_path, cache=tmp_path / "cache")
    spec, told = (
        read_spec(tmp_path / "spec.yaml"),
        load_yaml((EXAMPLES / name / "acts.yaml").read_text(encoding="utf-8")),
    )
    days = [rows(spec, tmp_path / "batches" / act["batch"]) for act in (told["first"], *told["acts"])]
    assert all(len(set(day.texts)) == 24 for day in days)
    model = adapter_for(spec.task).load(tmp_path / "model", spec.kind, new_head=True)
    training = spec.training.model_copy(update={"epochs": 1, "evaluations": 1, "batch_size": 8, "threads": 1})
    trained = model.fine_tune(days[0], days[-1], training=training, seed=spec.seed, work=tmp_path / "w", advance=ignore)
    assert trained.cost.steps == 3
    assert trained.curve[-1].validation_loss is not None


def test_the_command_names_every_example() -> None:
    from typer.testing import CliRunner

    from flows.cli import app

    said = " ".join(CliRunner().invoke(app, ["demo", "--help"]).stdout.split())
    assert all(name in said for name in NAMES)
