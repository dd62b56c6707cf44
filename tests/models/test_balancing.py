"""Rare classes: what weights and draws are, and that a tiny model learns a class of 5 % by either."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.utils.class_weight import compute_class_weight

from errors import SpecError
from models.adapter import Examples, quietly
from models.balancing import BalancedDecisions, BalancedLoss, class_weights, decision_weights, draw_evenly
from models.contracts import ModelKind
from models.label_sets import membership, written
from models.recipe import Training
from models.spec import parse_spec
from models.text_classification import TextClassifier
from tests.killed import Killed
from tests.tiny import sentences, tiny_model

KIND = ModelKind(task="text-classification", labels=("negative", "positive"), max_tokens=16, seed=1)
BALANCED = [{"class_weights": "balanced"}, {"sampling": "balanced"}]
LABELS = st.lists(st.integers(0, 4), min_size=1, max_size=60)


@given(LABELS)
def test_weights_are_scikit_learns_and_those_of_all_rows_are_one_on_average(labels: list[int]) -> None:
    found = class_weights(labels, outputs=5).numpy()
    present = np.unique(labels)
    assert found[present] == pytest.approx(compute_class_weight("balanced", classes=present, y=labels))
    assert found[labels].mean() == pytest.approx(1)


@given(LABELS, st.integers(0, 99))
def test_an_epoch_has_each_class_equally_often_and_every_row_before_any_comes_again(labels: list[int], seed: int) -> None:  # fmt: skip
    drawn = draw_evenly(labels, generator=torch.Generator().manual_seed(seed))
    assert drawn == draw_evenly(labels, generator=torch.Generator().manual_seed(seed))
    assert len(drawn) == len(labels)
    classes = Counter(labels[row] for row in drawn)
    times = [classes[label] for label in set(labels)]
    assert max(times) - min(times) <= 1
    rows = Counter(drawn)
    for label in set(labels):
        each = [rows[row] for row, found in enumerate(labels) if found == label]
        assert max(each) - min(each) <= 1


def test_the_loss_is_weighted_in_evaluations_also_where_the_training_only_draws_evenly() -> None:
    logits, labels = torch.tensor([[2.0, 0.0], [2.0, 0.0]], requires_grad=True), torch.tensor([0, 1])
    even, weighted = (BalancedLoss([0] * 9 + [1], outputs=2, weighs_training=weighs) for weighs in (False, True))
    losses = torch.nn.functional.cross_entropy(logits, labels, reduction="none")
    expected = (losses[0] * 10 / 18 + losses[1] * 10 / 2) / 2
    assert torch.allclose(weighted({"logits": logits}, labels), expected)
    assert torch.allclose(even({"logits": logits}, labels), losses.mean())
    with torch.no_grad():
        assert torch.allclose(even({"logits": logits}, labels), expected)
    assert torch.allclose(weighted({"logits": logits}, labels, num_items_in_batch=torch.tensor(4)), expected / 2)


@given(st.lists(st.lists(st.sampled_from([0.0, 1.0]), min_size=3, max_size=3), min_size=1, max_size=40))
def test_each_labels_two_sides_weigh_what_scikit_learn_says(has: list[list[float]]) -> None:
    having, lacking = (side.numpy() for side in decision_weights(has))
    for label, column in enumerate(np.array(has).T):
        weights = np.where(column == 1, having[label], lacking[label])
        classes = np.unique(column)
        balanced = compute_class_weight("balanced", classes=classes, y=column)
        assert [weights[column == side][0] for side in classes] == pytest.approx(balanced)
        assert weights.mean() == pytest.approx(1)


def test_the_loss_of_several_labels_weighs_every_decision_by_its_side() -> None:
    has = [[1.0, 0.0]] * 1 + [[0.0, 1.0]] * 9
    logits, labels = torch.tensor([[2.0, 0.0], [-1.0, 3.0]]), torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    losses = torch.nn.functional.binary_cross_entropy_with_logits(logits, labels, reduction="none")
    weights = torch.tensor([[10 / 2, 10 / 2], [10 / 18, 10 / 18]])
    found = BalancedDecisions(has)({"logits": logits}, labels)
    assert torch.allclose(found, (losses * weights).mean())
    assert torch.allclose(BalancedDecisions(has)({"logits": logits}, labels, torch.tensor(8)), found / 2)


def rare(common: int, few: int, start: int = 0) -> Examples:
    """`few` positive rows among so many negative ones."""
    rows = sentences(2 * (common + few), start=start)
    negative, positive = (rows[rows["label"] == label] for label in KIND.labels)
    both = [*negative["text"][:common], *positive["text"][:few]]
    return Examples(both, ["negative"] * common + ["positive"] * few)


def trained(folder: Path, name: str, **changes: object) -> TextClassifier:
    settings = Training.model_validate({"epochs": 6, "learning_rate": 0.01, "threads": 1, **changes})
    model = TextClassifier.load(folder / "base", KIND, new_head=True)
    found = model.fine_tune(
        rare(190, 10), rare(38, 2, start=1000), training=settings, seed=1, work=folder / name, advance=quietly
    )
    assert ("classes" in found.recipe) is settings.is_balanced
    return model


def recall_of_the_rare(model: TextClassifier) -> float:
    return float((model.predict(rare(0, 100, start=2000).texts, advance=quietly).numbers.argmax(1) == 1).mean())


@pytest.mark.slow
def test_either_lifts_the_recall_of_a_class_of_five_per_cent(tmp_path: Path) -> None:
    tiny_model(tmp_path / "base")
    plain = recall_of_the_rare(trained(tmp_path, "plain"))
    weighted, even = (recall_of_the_rare(trained(tmp_path, str(i), **how)) for i, how in enumerate(BALANCED))
    assert weighted > plain + 0.3
    assert even > plain + 0.3


SEVERAL = ModelKind(task="text-classification", labels=("film", "praise"), max_tokens=16, seed=1, truth="labels")


def decided(folder: Path, name: str, rows: Examples, **changes: object) -> tuple[TextClassifier, list[float]]:
    """A model trained on rows with several labels, and its losses on the way."""
    settings = Training.model_validate({"epochs": 6, "learning_rate": 0.01, "threads": 1, **changes})
    model = TextClassifier.load(folder / "base", SEVERAL, new_head=True)
    found = model.fine_tune(rows, rows, training=settings, seed=1, work=folder / name, advance=quietly)
    return model, [loss for point in found.curve for loss in (point.train_loss, point.validation_loss) if loss]


def praised(count: int, every: int) -> Examples:
    """Every second row is about a film; one in so many is praise."""
    said = [(noun, i % every == 0) for i in range(count // 2) for noun in ("film", "plot")]
    texts = [f"the {noun} n{i} was {'good' if good else 'bad'}" for i, (noun, good) in enumerate(said)]
    return Examples(texts, [written([noun == "film", good], SEVERAL.labels) for noun, good in said])


@pytest.mark.slow
def test_labels_that_half_of_the_rows_have_are_learned_alike_with_weights_and_without(tmp_path: Path) -> None:
    tiny_model(tmp_path / "base")
    half = praised(160, 2)
    assert membership(half.labels, SEVERAL.labels).mean(0).tolist() == [0.5, 0.5]
    (_, plain), (_, weighted) = (decided(tmp_path, how, half, class_weights=how) for how in ("none", "balanced"))
    assert weighted == pytest.approx(plain, rel=1e-3)


def test_weights_lift_the_recall_of_a_label_of_five_per_cent(tmp_path: Path) -> None:
    tiny_model(tmp_path / "base")
    rows, texts = praised(200, 20), praised(80, 1).texts
    found = {}
    for how in ("none", "balanced"):
        model, _ = decided(tmp_path, how, rows, class_weights=how)
        found[how] = float((model.predict(texts, advance=quietly).numbers[:, 1] >= 0.5).mean())
    assert found["balanced"] > found["none"] + 0.3


@pytest.mark.slow
@pytest.mark.parametrize("how", BALANCED)
def test_a_training_killed_in_the_middle_of_an_epoch_ends_with_equal_weights(how: dict[str, str], tmp_path: Path) -> None:  # fmt: skip
    tiny_model(tmp_path / "base")
    settings = Training.model_validate({"epochs": 3, "learning_rate": 0.003, "threads": 1, "patience": 100, **how})
    every = 3 * -(-100 // settings.batch_size) // settings.evaluations
    assert every % -(-100 // settings.batch_size), "checkpoints would lie between epochs"
    seen: list[int] = []

    def die(advanced: int) -> None:
        seen.append(advanced)
        if len(seen) == 2 * every + 1:
            raise Killed

    def train(name: str, *, dies: bool = False) -> tuple[TextClassifier, int]:
        model = TextClassifier.load(tmp_path / "base", KIND, new_head=True)
        found = model.fine_tune(rare(90, 10), rare(30, 5, start=1000), training=settings, seed=1,
                                work=tmp_path / name, advance=die if dies else quietly)  # fmt: skip
        return model, found.cost.resumed_from_step

    whole, _ = train("whole")
    with pytest.raises(Killed):
        train("parts", dies=True)
    parts, resumed = train("parts")
    assert resumed == 2 * every
    assert all(torch.equal(w, parts.model.state_dict()[name]) for name, w in whole.model.state_dict().items())


def test_both_at_once_and_models_that_write_are_refused() -> None:
    least = {"name": "m", "model": {"source": "m"}, "data": {"sources": ["d"]}, "columns": {"text": "t"}}
    both = {"class_weights": "balanced", "sampling": "balanced"}
    with pytest.raises(SpecError, match="one of them is enough"):
        parse_spec({**least, "labels": ["a", "b"], "training": both}, where="x")
    for how in BALANCED:
        assert parse_spec({**least, "labels": ["a", "b"], "training": how}, where="x").training.is_balanced
        with pytest.raises(SpecError, match="has no classes; drop it"):
            parse_spec({**least, "task": "causal-lm", "training": how}, where="x")
