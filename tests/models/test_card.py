from models.card import model_card
from models.contracts import Estimate, Lineage, Measurement

LINEAGE = Lineage(run_id="r", spec="{}", spec_digest="d", source="s", window_digest="w", training_digest="t",
                  recipe="full", packages={}, git_commit="c", seed=1)  # fmt: skip


def test_a_number_that_is_no_share_is_neither_cut_to_nothing_nor_longer_than_what_is_known_of_it() -> None:
    cheap = Estimate(value=3.456e-05, low=3e-05, high=4e-05, n=100, method="test")
    lost = Estimate(value=1.9424e130, low=20.5, high=1.9424e130, n=100, method="test")
    measured = [
        Measurement(on="current", metric=m, estimate=e) for m, e in (("cost_per_1000", cheap), ("perplexity", lost))
    ]
    card = model_card("m", 1, "causal-lm", [], measured, LINEAGE)
    assert "| cost_per_1000 | current | 3.456e-05 | [3e-05, 4e-05] | 100 |" in card
    assert "| perplexity | current | 1.9424e+130 | [20.5, 1.9424e+130] | 100 |" in card


def test_a_slice_that_a_row_names_stays_one_cell_of_the_card() -> None:
    estimate = Estimate(value=0.5, low=0.4, high=0.6, n=100, method="test")
    evil = "slice:country=a|b <img src=x>\n# c [d](e) _f_"
    measured = [Measurement(on=on, metric="macro_f1", estimate=estimate) for on in ("current", evil)]
    card = model_card("m", 1, "text-classification", ["<pos>", "a_b"], measured, LINEAGE)
    assert "| macro_f1 | current | 0.5000 | [0.4000, 0.6000] | 100 |" in card
    told = r"slice:country=a\|b \<img src=x\> # c [d\](e) \_f\_"
    assert f"| macro_f1 | {told} | 0.5000 | [0.4000, 0.6000] | 100 |" in card
    assert r"Labels, in the order of the outputs: \<pos\>, a_b." in card
