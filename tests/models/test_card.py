from models.card import model_card
from models.contracts import Estimate, Lineage, Measurement

LINEAGE = Lineage(run_id="r", spec="{}", spec_digest="d", source="s", window_digest="w", training_digest="t",
                  recipe="full", packages={}, git_commit="c", seed=1)  # fmt: skip


def test_a_slice_that_a_row_names_stays_one_cell_of_the_card() -> None:
    estimate = Estimate(value=0.5, low=0.4, high=0.6, n=100, method="test")
    evil = "slice:country=a|b <img src=x>\n# c [d](e) _f_"
    measured = [Measurement(on=on, metric="macro_f1", estimate=estimate) for on in ("current", evil)]
    card = model_card("m", 1, "text-classification", ["<pos>", "a_b"], measured, LINEAGE)
    assert "| macro_f1 | current | 0.5000 | [0.4000, 0.6000] | 100 |" in card
    told = r"slice:country=a\|b \<img src=x\> # c [d\](e) \_f\_"
    assert f"| macro_f1 | {told} | 0.5000 | [0.4000, 0.6000] | 100 |" in card
    assert r"Labels, in the order of the outputs: \<pos\>, a_b." in card
