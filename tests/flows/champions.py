"""First champions, which many tests begin with: each is made once a process, and put back for the tests that follow; and the
runs that look after them."""

import shutil
from typing import Any

from flows.bootstrap import bootstrap
from flows.maintain import maintain
from infra.files import sha256_of
from infra.object_store import ObjectStore
from models.contracts import BootstrapReport, RunReport
from tests.flows.conftest import Home
from tests.stores import Objects, objects_of, put_back
from tests.tiny import sentences

_made: dict[str, tuple[BootstrapReport, Objects]] = {}
"""What was given -> what came of it, and the bucket behind it."""


def adopted(home: Home, store: ObjectStore) -> BootstrapReport:
    """Untrained weights, taken as they are: the cheapest."""
    home.write_spec(model={"source": "model", "max_tokens": 16, "adopt": True})
    home.receive("day-0", sentences(300))
    return first_champion(home, store, force=True)


def trained(home: Home, store: ObjectStore) -> BootstrapReport:
    home.receive("day-0", sentences(600))
    return first_champion(home, store)


def first_champion(home: Home, store: ObjectStore, *, force: bool = False) -> BootstrapReport:
    """What `bootstrap` makes of the spec, the model and the rows of a home, in a store that was empty."""
    files = sorted(path for path in home.folder.rglob("*") if path.is_file())
    given = f"{force} " + " ".join(f"{path.relative_to(home.folder)} {sha256_of(path)}" for path in files)
    if given in _made:
        report, objects = _made[given]
        put_back(objects, store)
        return report
    report = bootstrap(home.spec, force=force).report
    assert isinstance(report, BootstrapReport)
    _made[given] = report, objects_of(store)
    shutil.rmtree(home.folder / ".upkeep")  # whether it was made or put back, this machine has not seen it
    return report


def run(home: Home, **how: Any) -> RunReport:
    """One that looked at something."""
    report = maintain(home.spec, **how).report
    assert isinstance(report, RunReport)
    return report
