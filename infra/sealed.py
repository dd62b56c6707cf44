"""Records that carry the SHA-256 of what they say, so that a changed byte is found before the record is believed.

An alias' log and the history of runs are chains: each entry has the hash of the one before. The newest has none above it,
and neither has a manifest that no alias names; the seal is for these. It finds accidents. Somebody who may write to the store can seal
what he wrote: against him there are signatures and the bucket's policy (docs/registry.md).
"""

import hashlib
import json
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from errors import CorruptObject, StoreError
from infra.stored_records import parsed

R = TypeVar("R", bound=BaseModel)
SEAL = "sha256_of_the_rest"


def sealed(record: BaseModel) -> bytes:
    """The record as JSON, with its seal as the last field. StoreError where it could not be read back, as with a number that is
    none: written, it would be a champion that nobody can load."""
    written = record.model_dump_json()
    try:
        type(record).model_validate_json(written)
    except ValidationError as problem:
        place, why = problem.errors()[0]["loc"], problem.errors()[0]["msg"]
        raise StoreError(f"a {type(record).__name__} was not stored, since nobody could read it back: {'.'.join(map(str, place))}: "
                         f"{why}. This is a bug of Upkeep; please report it.") from problem  # fmt: skip
    fields = json.loads(written)
    return _text({**fields, SEAL: _digest(fields)})


def unsealed(kind: type[R], data: bytes, *, uri: str) -> R:
    """The record that `sealed` wrote; CorruptObject where a single byte is another one, or it is a record of another kind."""
    try:
        fields = json.loads(data)
        seal = fields.pop(SEAL)
        whole = _text({**fields, SEAL: seal}) == data and _digest(fields) == seal
    except (ValueError, KeyError, TypeError, AttributeError):
        whole = False
    if not whole:
        raise CorruptObject(f"{uri} is not what was written there: its seal does not fit. Nothing was loaded. Restore "
                            "the object from a copy or an older object version; `upkeep audit SPEC` checks all others.")  # fmt: skip
    return parsed(kind, _text(fields), uri=uri)


def _digest(fields: dict[str, Any]) -> str:
    return hashlib.sha256(_text(fields)).hexdigest()


def _text(fields: dict[str, Any]) -> bytes:
    return json.dumps(fields, indent=1, ensure_ascii=False).encode()
