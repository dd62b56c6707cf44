"""A classifier that is released with ONNX variants: made, judged, published, verified and pulled like every other file."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file

from errors import ModelError
from flows.bootstrap import bootstrap
from flows.inspect import pull_version
from flows.maintain import maintain
from flows.registry import audit_registry
from flows.signed import verify_version
from flows.story import tell
from infra.object_store import ObjectStore
from models.contracts import BootstrapReport, Outcome, RunReport
from models.onnx_classifier import OnnxClassifier
from models.spec import read_spec
from models.text_classification import TextClassifier
from tests.flows.conftest import Home, moved
from tests.tiny import sentences, tiny_writer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
GATES = [{"kind": "better"}, {"kind": "not_worse", "tolerance": 0.1}, {"kind": "latency", "factor": 50}]
AGREES = {"kind": "agrees", "share": 0.9}
SERVED = """
import json, sys
sys.modules["torch"] = sys.modules["transformers"] = None
from pathlib import Path
from models.onnx_classifier import OnnxClassifier
texts = json.loads(sys.stdin.read())
print(json.dumps(OnnxClassifier.load(Path(sys.argv[1])).answer(texts)))
"""


def sealed_texts(report: RunReport, store: ObjectStore) -> list[str]:
    """The test rows that the candidate was judged on."""
    assert report.attempt is not None
    tables = (report.attempt.training_set.test, report.attempt.training_set.reference_test)
    return [text for table in tables for text in pd.read_parquet(store.get_file(table))["text"]]


def test_a_release_carries_variants_that_answer_the_sealed_rows_without_torch_as_the_full_weights_do(
    home: Home, store: ObjectStore, tmp_path: Path
) -> None:
    home.write_spec(variants=["onnx", "onnx-int8"], gates=[*GATES, AGREES])
    home.receive("day-0", sentences(600))
    ended = bootstrap(home.spec)
    assert isinstance(ended.report, BootstrapReport)
    assert [check.variant for check in ended.report.variants] == ["onnx", "onnx-int8"]
    assert "variant   onnx: same answers 100.0%" in "\n".join(tell(ended))

    home.receive("day-1", moved(600, start=2000))
    ended = maintain(home.spec)
    report = ended.report
    assert isinstance(report, RunReport)
    assert report.outcome is Outcome.RELEASED, report.headline
    assert "variants-agree: onnx" in "\n".join(tell(ended))

    folder = tmp_path / "pulled"
    manifest = pull_version(home.spec, "champion", folder)
    assert {"onnx/model.onnx", "onnx/model-int8.onnx"} < {file.path for file in manifest.files}
    assert "| onnx-int8 |" in (folder / "README.md").read_text()
    assert verify_version(home.spec, "champion").files == len(manifest.files)
    assert not audit_registry(home.spec, deep=True).misfits

    texts = sealed_texts(report, store)
    model = TextClassifier.load(folder, read_spec(home.spec).kind, new_head=False)
    numbers = model.predict(texts, advance=lambda _: None).numbers
    full = [model.labels[label] for label in numbers.argmax(1)]
    assert len(set(full)) == 2
    command = [sys.executable, "-c", SERVED, str(folder / "onnx")]
    done = subprocess.run(command, input=json.dumps(texts), capture_output=True, text=True, timeout=120,
                          cwd=Path(__file__).resolve().parents[2])  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == full
    rounded = OnnxClassifier.load(folder / "onnx", "onnx-int8").answer(texts)
    assert report.attempt is not None
    claimed = report.attempt.scorecard.variants[1].agreement
    assert claimed.n == len(texts)
    assert np.mean([a == b for a, b in zip(rounded, full, strict=True)]) == pytest.approx(claimed.value)

    weights = load_file(folder / "model.safetensors")
    assert set(weights) == set(model.model.state_dict())
    for name, tensor in model.model.state_dict().items():
        assert np.array_equal(weights[name], tensor.numpy())


def test_a_first_champion_whose_variants_were_judged_on_too_few_rows_is_not_released(home: Home) -> None:
    home.write_spec(variants=["onnx"], gates=[*GATES, {"kind": "agrees", "share": 0.999}])
    home.receive("day-0", sentences(600))
    with pytest.raises(ModelError, match=r"rows are too few to tell.*nothing was released"):
        bootstrap(home.spec)


def test_a_kind_of_model_that_torch_cannot_export_is_refused_before_it_is_trained(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    def train(*_: object, **__: object) -> None:
        raise AssertionError("it was trained first")

    monkeypatch.setattr("flows.bootstrap.fine_tune", train)
    home.write_spec(variants=["onnx"], gates=[*GATES, AGREES], model={"source": "writer", "max_tokens": 16})
    tiny_writer(home.folder / "writer", "t5")
    home.receive("day-0", sentences(600))
    with pytest.raises(
        ModelError, match=r"variants: of a t5 PyTorch makes no ONNX graph that answers: drop `variants`"
    ):
        bootstrap(home.spec)
