"""Which weights may be made up, and how those are told that may not."""

from pathlib import Path

import pytest
import torch

from errors import ModelError
from models.noise import refuse_noise


class Model(torch.nn.Module):
    base_model_prefix = "encoder"

    def __init__(self) -> None:
        super().__init__()
        names = ("query", "pooler", "a", "b", "c", "d")
        self.encoder = torch.nn.ModuleDict({name: torch.nn.Linear(1, 1, bias=False) for name in names})
        self.register_buffer("places", torch.arange(3))


def lacking(*names: str, new_head: bool) -> None:
    told = {"missing_keys": set(names), "unexpected_keys": set(), "mismatched_keys": set()}
    refuse_noise(Model(), told, Path("model"), new_head=new_head)


def test_the_pooler_may_begin_with_noise_where_the_head_does() -> None:
    lacking("encoder.pooler.weight", new_head=True)
    with pytest.raises(ModelError, match=r"no weights for encoder\.pooler\.weight"):
        lacking("encoder.pooler.weight", new_head=False)


def test_what_is_worked_out_and_not_learned_is_no_noise() -> None:
    with pytest.raises(ModelError, match=r"no weights for encoder\.a\.weight: they"):
        lacking("encoder.a.weight", "places", new_head=False)
    lacking("places", new_head=False)


def test_of_many_weights_that_are_lacking_three_are_named_and_the_others_counted() -> None:
    with pytest.raises(
        ModelError, match=r"weights for encoder\.a\.weight, encoder\.b\.weight, encoder\.c\.weight: they"
    ):
        lacking(*(f"encoder.{name}.weight" for name in "cba"), new_head=False)
    with pytest.raises(ModelError, match=r"encoder\.c\.weight and 2 more: they"):
        lacking(*(f"encoder.{name}.weight" for name in ("query", "a", "b", "c", "d")), new_head=False)
