"""How far does a longer row beside it move what a model makes of a row? The ground of models/neighbours.py's bound."""

from typing import Any

import torch
from transformers import AutoConfig, AutoModelForSequenceClassification, set_seed

from benchmarks.results import Bar, Findings, Options, Table, main
from models.neighbours import FEW, LEAK, MANY

TOKENS: dict[str, Any] = {"vocab_size": 64, "pad_token_id": 0, "bos_token_id": None, "cls_token_id": None, "sep_token_id": None,
                          "eos_token_id": None}  # fmt: skip
BASE, NARROW = "base", "64 wide"
SIZES: dict[str, dict[str, Any]] = {
    BASE: {}, NARROW: {"hidden_size": 64, "num_attention_heads": 4, "intermediate_size": 128},
}  # fmt: skip
"""Of twelve layers each: a kind's own sizes, those of its base model, and a small one's."""
ALONE = ("bert", "roberta", "deberta-v2", "electra", "albert", "modernbert")
LEAKING = ("convbert", "fnet", "nystromformer", "yoso")
"""They read what pads a row."""
LAYERS = 12


def measure_neighbours(options: Options) -> Findings:
    """`options.runs`: seeds of random weights, as transformers draws them."""
    found = {(kind, size): [_moved(kind, size, seed) for seed in range(options.runs)]
             for kind in (*ALONE, *LEAKING) for size in SIZES}  # fmt: skip
    most = max(moved for kind in ALONE for size in SIZES for moved in found[kind, size])
    least = min(moved for kind in LEAKING for moved in found[kind, BASE])
    rows = tuple((kind, "no" if kind in ALONE else "yes", size, f"{min(moved):.1e}", f"{max(moved):.1e}")
                 for (kind, size), moved in found.items())  # fmt: skip
    return Findings(
        question="How far does a longer row beside it move what a model makes of a row?",
        tables=(Table(title="Of the size (L2) of the last layer, random weights",
                      says=f"A row of {FEW} tokens alone and beside one of {MANY}, float32; the least and the most over the seeds.",
                      columns=("kind", "reads padding", "size", "least", "most"), rows=rows),),
        bars=(Bar(promise=f"a kind that reads a row alone is moved by less than {LEAK:.0%}", measured=f"{most:.1e}", met=most < LEAK),
              Bar(promise=f"a base model of a kind that reads padding is moved by more than {LEAK:.0%}", measured=f"{least:.1e}",
                  met=least > LEAK)),
        notes=("Narrow models of a kind that reads padding can pass.",),
    )  # fmt: skip


@torch.inference_mode()
def _moved(kind: str, size: str, seed: int) -> float:
    set_seed(seed)
    model = AutoModelForSequenceClassification.from_config(
        AutoConfig.for_model(kind, num_hidden_layers=LAYERS, **TOKENS, **SIZES[size])
    ).eval()
    many = torch.arange(1, MANY + 1)
    few = torch.where(torch.arange(MANY) < FEW, many, 0)
    alone = model(many[None, :FEW], output_hidden_states=True).hidden_states[-1][0].mean(0)
    both = model(
        torch.stack([few, many]), attention_mask=(torch.stack([few, many]) != 0).long(), output_hidden_states=True
    )
    beside = torch.stack([both.hidden_states[-1][0, :FEW].mean(0), both.hidden_states[-1][1].mean(0)])
    return float(torch.dist(alone, beside[0]) / beside.norm())


if __name__ == "__main__":
    main("neighbours", measure_neighbours, runs=5, quick=1)
