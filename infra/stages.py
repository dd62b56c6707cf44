"""Does each stage once: a finished stage's record is found again under the digest of its inputs.

A run that was killed and started again walks the same path; every stage whose inputs are the same answers
with its stored record instead of working, so nothing is done twice.
"""

import functools
import hashlib
import json
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, ParamSpec, TypeVar, get_type_hints

from pydantic import BaseModel

from errors import MissingObject
from infra.object_store import ObjectStore
from infra.stored_records import parsed

P = ParamSpec("P")
R = TypeVar("R", bound=BaseModel)


def once(stage: str, *, besides: frozenset[str] = frozenset()) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Decorates `f(records…, *, store, …) -> Record`. Inputs are digested by value; not `store`, nor the keywords
    `besides`, which change how the work is done and not what comes of it. A keyword `of` among these tells a stage that
    a run has twice from its other."""

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(function)
        def remembered(*args: P.args, **kwargs: P.kwargs) -> R:
            store = _store_among(kwargs)
            inputs = {key: value for key, value in kwargs.items() if key not in {"store", *besides}}
            key = store.keys.stage(stage, input_digest(stage, args, inputs))
            record_type: type[R] = get_type_hints(function)["return"]
            began, within = time.perf_counter(), len(store.timings)
            try:
                record, reused = parsed(record_type, store.get_used(key), uri=store.uri(key)), True
            except MissingObject:
                record, reused = function(*args, **kwargs), False
                store.put_bytes(key, record.model_dump_json().encode())
            inner = sum(seconds for _, seconds, _ in store.timings[within:])  # a stage's own stages count as themselves
            name = f"{stage} of {kwargs['of']}" if "of" in besides else stage
            store.timings.append((name, time.perf_counter() - began - inner, reused))
            return record

        return remembered

    return decorate


def _store_among(kwargs: Mapping[str, object]) -> ObjectStore:
    store = kwargs.get("store")
    if not isinstance(store, ObjectStore):
        raise TypeError(f"a stage needs its object store as the keyword `store`; got {type(store).__name__}")
    return store


def input_digest(stage: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    """SHA-256 over a stage's name and the canonical form of its inputs."""
    canonical = json.dumps([stage, list(args), kwargs], default=_canonical, sort_keys=True)
    return hashlib.sha256(canonical.encode()).hexdigest()


def _canonical(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"a stage's input must be a record or a plain value, not {type(value).__name__}")
