"""A record out of the store, with a seal or without: one that cannot be read is told by its address, and is no bug."""

from typing import TypeVar

from pydantic import BaseModel, ValidationError

from errors import CorruptObject

R = TypeVar("R", bound=BaseModel)


def parsed(kind: type[R], data: bytes, *, uri: str) -> R:
    """CorruptObject where the bytes are no such record."""
    try:
        return kind.model_validate_json(data)
    except ValidationError as problem:
        wrong = problem.errors(include_input=False)[0]
        raise CorruptObject(
            f"{uri} is no {kind.__name__} that could be read ({'.'.join(map(str, wrong['loc']))}: {wrong['msg']}): it was changed. "
            "Restore the object from a copy or an older object version; below stages/ and jobs/ it may be deleted, and is "
            "worked out anew."
        ) from problem
