"""What Prefect shows of runs."""

from itertools import count

from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import Artifact
from prefect.client.schemas.sorting import ArtifactSort

PAGE = 200
"""The most that a server gives at a time, without a word that there is more."""


def artifacts() -> list[Artifact]:
    """Every artifact that the server keeps, the newest first."""
    found: list[Artifact] = []
    with get_client(sync_client=True) as client:
        for page in count():
            more = client.read_artifacts(sort=ArtifactSort.CREATED_DESC, limit=PAGE, offset=page * PAGE)
            found += more
            if len(more) < PAGE:
                break
    return found
