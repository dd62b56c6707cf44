"""Every example of `upkeep demo`, from its data to the first step of its first training; whole demos take minutes each."""

import importlib
import socket
import sys
from pathlib import Path

import pandas as pd
import pytest

from errors import ModelError
from examples.hosted import gateway
from flows.demo import EXAMPLES, running
from models.adapter import Examples, adapter_for, quietly
from models.hosted import HostedModel, pin
from models.rows import ITSELF
from models.spec import ModelSpec, read_spec
from models.yaml12 import load_yaml

NAMES = sorted(found.parent.name for found in EXAMPLES.glob("*/acts.yaml"))


def rows(spec: ModelSpec, batch: Path) -> Examples:
    """A few of a batch, under the names that the spec gives its columns."""
    table = pd.read_csv(batch, dtype=str, nrows=24)
    label = spec.columns.label
    return Examples(table[spec.columns.text].tolist(), table[label].tolist() if label else [ITSELF] * len(table))


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in NAMES if name != "hosted"])
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
    trained = model.fine_tune(
        days[0], days[-1], training=training, seed=spec.seed, work=tmp_path / "w", advance=quietly
    )
    assert trained.cost.steps == 3
    assert trained.curve[-1].validation_loss is not None


@pytest.mark.slow
def test_the_hosted_example_is_laid_out_and_both_of_its_models_answer_at_its_gateway(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from examples.hosted import prepare

    pytest.importorskip("openai", reason="`transformers serve` imports it")
    monkeypatch.setattr(prepare, "FILMS", dict.fromkeys(prepare.FILMS, 100))
    monkeypatch.setattr(prepare, "EPOCHS", 0.1)
    prepare.prepare(tmp_path, cache=tmp_path / "cache")
    told = load_yaml((EXAMPLES / "hosted" / "acts.yaml").read_text(encoding="utf-8"))
    said: list[str] = []
    with running([sys.executable, "-m", "examples.hosted.gateway", str(tmp_path)], said.append):
        for name, model in (("spec.yaml", prepare.EARLIER), (told["acts"][-1]["spec"], prepare.LATER)):
            spec = read_spec(tmp_path / name)
            asked = HostedModel.load(pin(spec.kind, tmp_path / "version"), spec.kind, new_head=True)
            assert asked.pinned.model == model
            answers = asked.predict(rows(spec, tmp_path / "batches" / "day-2.csv").texts, advance=quietly)
            assert asked.failed == 0 and len(answers.texts or ()) == 24
    assert asked.pinned.url in said[0] and f"its log: {tmp_path / 'gateway.log'}" in said[0]
    with pytest.raises(ModelError, match="ConnectError"):  # the gateway has ended with its input
        HostedModel.load(tmp_path / "version", spec.kind, new_head=True)


def test_the_gateway_without_its_packages_names_the_command_that_installs_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway, "NEEDED", ("httpx", "no_such_server"))
    with pytest.raises(SystemExit, match=r"pip install no_such_server$"):
        gateway.require_packages()


@pytest.mark.slow
def test_a_gateway_whose_port_is_taken_is_told_with_the_end_of_its_log(tmp_path: Path) -> None:
    pytest.importorskip("openai", reason="`transformers serve` imports it")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        taken.settimeout(0)
        port = taken.getsockname()[1]
        with (
            pytest.raises(RuntimeError, match=r"Is its port taken\?[\s\S]*address already in use"),
            gateway.serving(port, models=tmp_path, log=tmp_path / "log"),
        ):
            pass


def test_the_command_names_every_example() -> None:
    from typer.testing import CliRunner

    from flows.cli import app

    said = " ".join(CliRunner().invoke(app, ["demo", "--help"]).stdout.split())
    assert all(name in said for name in NAMES)
