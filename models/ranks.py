"""This process among those that train together. torchrun says so in the environment; alone, a process is the first of one."""

import functools
import os
from typing import Any


def size() -> int:
    return int(os.environ.get("WORLD_SIZE", "1"))


def is_first() -> bool:
    """The process that measures, reports and saves."""
    return os.environ.get("RANK", "0") == "0"


def agree(first_says: bool) -> bool:
    """What the first process says, in all of them: one that left a loop alone would have the others wait for ever."""
    if size() == 1:
        return first_says
    import torch
    from torch import distributed

    said = torch.tensor([first_says], dtype=torch.uint8)
    distributed.broadcast(said, src=0, group=_on_cpu())
    return bool(said.item())


@functools.cache
def _on_cpu() -> Any:
    """A group of its own, so that a GPU need not be waited for at each step."""
    from torch import distributed

    return distributed.new_group(backend="gloo")
