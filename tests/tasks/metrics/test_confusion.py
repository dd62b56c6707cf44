import numpy as np
from sklearn.metrics import confusion_matrix, multilabel_confusion_matrix

from tasks.metrics.confusion import MOST_LABELS, MOST_PAIRS, confuse, decide


def test_few_labels_give_scikit_learns_whole_matrix_for_each_model() -> None:
    rng = np.random.default_rng(1)
    truth, one, two = rng.integers(0, 3, (3, 200))
    found = confuse(truth, {"champion": one, "candidate": two}, ("a", "b", "c"))
    assert found.is_whole
    for model, said in enumerate((one, two)):
        counts = np.array([[pair.counts[model] for pair in found.of(label)] for label in ("a", "b", "c")])
        assert (counts == confusion_matrix(truth, said, labels=range(3))).all()
    assert [sum(found.shares(pair)[0] for pair in found.of(label)) for label in ("a", "b", "c")] == [1.0] * 3


def test_a_label_without_rows_has_no_shares_and_divides_by_nothing() -> None:
    found = confuse(np.zeros(4, np.int64), {"champion": np.ones(4, np.int64)}, ("a", "b"))
    assert [found.shares(pair) for pair in found.of("b")] == [(0.0,), (0.0,)]


def test_of_many_labels_only_the_most_confused_pairs_are_kept_and_no_right_answer() -> None:
    labels = tuple(f"l{i}" for i in range(MOST_LABELS + 1))
    rng = np.random.default_rng(2)
    truth = rng.integers(0, len(labels), 2000)
    often = np.where((truth == 3) & (rng.random(2000) < 0.9), 5, truth)
    seldom = np.where(rng.random(2000) < 0.3, rng.integers(0, len(labels), 2000), truth)
    found = confuse(truth, {"champion": seldom, "candidate": often}, labels)
    assert not found.is_whole
    assert len(found.pairs) == MOST_PAIRS
    assert not any(pair.is_right for pair in found.pairs)
    assert (found.pairs[0].truth, found.pairs[0].said) == ("l3", "l5")
    assert confuse(truth, {"champion": truth}, labels).pairs == ()


def test_several_labels_give_scikit_learns_table_of_each_for_each_model() -> None:
    rng = np.random.default_rng(3)
    truth, one, two = rng.random((3, 200, 4)) < [0.5, 0.2, 0.05, 0.0]
    found = decide(truth, {"champion": one, "candidate": two}, ("a", "b", "c", "d"))
    for model, said in enumerate((one, two)):
        counts = [[[x.left_out[model], x.added[model]], [x.missed[model], x.found[model]]] for x in found.labels]
        assert (np.array(counts) == multilabel_confusion_matrix(truth, said)).all()
    assert [label.rows for label in found.labels] == truth.sum(0).tolist()
    assert found.labels[0].most_wrong == max((truth[:, 0] ^ said[:, 0]).sum() for said in (one, two))
