"""What judges a champion must never have taught it, also where the spec's shares were changed since."""

import json

from errors import SpecError
from models.contracts import Release
from models.recipe import ADOPTED, Training


def require_seal(champion: Release, training: Training) -> None:
    """SpecError where shares that were raised would seal, or hold windows against, rows that the champion learned from: on which
    side of a share a row lies hangs on its content alone, so that the old rows move, too."""
    lineage = champion.manifest.lineage
    if lineage.recipe == ADOPTED:
        return
    made = json.loads(lineage.spec)["training"]
    for names in (("test_share",), ("test_share", "validation_share")):
        before, now = sum(made[name] for name in names), sum(getattr(training, name) for name in names)
        if now > before + 1e-9:
            raise SpecError(
                f"training.{' + '.join(names)} was raised to {now:g} from {before:g}, by which version {champion.manifest.version} was "
                "trained: rows that it learned from would be held out to judge it. Write no more than that; or give the spec another name "
                "and bootstrap anew"
            )
