import itertools

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import f1_score

from models.contracts import ModelKind
from models.label_sets import membership
from tasks.simplest import simplest_answers

LABELS = ("a", "b", "c")


def test_of_several_labels_the_best_constant_answer_is_known() -> None:
    cells = ["a", "a|b", "[]", "b|c", "a", "a|c", "b"]
    kind = ModelKind(task="text-classification", labels=LABELS, max_tokens=16, seed=1, truth="labels")
    truth = membership(cells, LABELS)
    constant = [np.tile(answer, (len(cells), 1)) for answer in itertools.product([False, True], repeat=3)]
    best = max(f1_score(truth, answer, average="micro", zero_division=0) for answer in constant)
    assert simplest_answers(pd.DataFrame({"text": cells, "label": cells}), kind).score == pytest.approx(best)
