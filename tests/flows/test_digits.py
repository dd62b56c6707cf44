"""A kind of model of one's own, docs/adapters.md's: a vision transformer on scikit-learn's digits."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_digits
from transformers import ViTConfig, ViTForImageClassification, set_seed

from errors import DataError, SpecError
from examples.digits.vit import pixels, written
from flows.bootstrap import bootstrap
from flows.maintain import maintain
from models.adapter import adapter_for
from models.contracts import BootstrapReport, Outcome, RunReport
from models.spec import parse_spec
from tests.flows.conftest import SPEC, Home

TASK = "examples.digits.vit:ViT"


def digits(part: slice, *, moved: bool = False) -> pd.DataFrame:
    """Real handwriting; `moved`: as a scanner gives it whose glass was shifted by a pixel."""
    found = load_digits()
    order = np.random.default_rng(1).permutation(len(found.images))[part]
    images = np.roll(found.images, 1, axis=2) if moved else found.images
    return pd.DataFrame({"text": [written(images[i]) for i in order], "label": [str(found.target[i]) for i in order]})


def small_vit(folder: Path) -> None:
    set_seed(0)
    ViTForImageClassification(ViTConfig(
        hidden_size=64, num_hidden_layers=2, num_attention_heads=4, intermediate_size=128, image_size=8, patch_size=2,
        num_channels=1, num_labels=10, hidden_dropout_prob=0.0,
    )).save_pretrained(folder)  # fmt: skip


@pytest.mark.slow
def test_images_go_through_every_stage_as_texts_do(home: Home) -> None:
    small_vit(home.folder / "vit")
    home.write_spec(
        task=TASK, model={"source": "vit"}, labels=[str(i) for i in range(10)],
        training={"epochs": 25, "learning_rate": 0.002, "threads": 1, "batch_size": 32},
    )  # fmt: skip
    home.receive("day-0", digits(slice(0, 1000)))
    first = bootstrap(home.spec).report
    assert isinstance(first, BootstrapReport)
    assert first.measured[0].estimate.value > 0.85
    home.receive("day-1", digits(slice(1000, 1200)))
    quiet = maintain(home.spec).report
    assert isinstance(quiet, RunReport)
    assert quiet.outcome is Outcome.HELD, quiet.headline
    home.receive("day-2", digits(slice(1200, 1797), moved=True))
    moved = maintain(home.spec).report
    assert isinstance(moved, RunReport)
    assert moved.outcome is Outcome.RELEASED, moved.headline


def test_what_is_no_image_is_named() -> None:
    for wrong in ("abc", "z" * 64):
        with pytest.raises(DataError, match="is no image of 8 × 8"):
            pixels(["a" * 64, wrong])


def test_an_adapter_that_is_not_there_is_refused_with_the_way_out() -> None:
    from errors import ModelError

    with pytest.raises(ModelError, match="PYTHONPATH"):
        adapter_for("nobody.has:This")
    with pytest.raises(SpecError, match="task:"):
        parse_spec({**SPEC, "task": "image classification"}, where="test")
