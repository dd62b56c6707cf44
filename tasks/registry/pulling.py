"""A verified copy of a version in a folder of one's own."""

import errno
from pathlib import Path

from errors import SpecError
from infra.files import draft_of, folder_digest
from infra.keys import MANIFEST
from infra.object_store import ObjectStore
from models.contracts import Manifest
from tasks.security.signing import copy_signature, require_signature


def pull(manifest: Manifest, target: Path, *, store: ObjectStore) -> None:
    """A verified copy of a version in a folder of one's own, which appears whole or not at all; one that was interrupted is
    gone on with."""
    target = target.resolve()  # what a link names, and not the link
    if target == Path.cwd() or target.is_mount():
        raise SpecError(f"{target} is mounted, or where you are, and cannot appear whole; name a new folder in it")
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise _taken(target)
    require_signature(manifest, store=store)
    with draft_of(target, folder_digest(manifest.files)) as draft:
        store.download_folder(store.keys.version(manifest.version), manifest.files, draft)
        (draft / MANIFEST).write_bytes(store.get_bytes(store.keys.manifest(manifest.version)))
        copy_signature(manifest, draft, store=store)
        try:
            draft.replace(target)
        except OSError as problem:
            if problem.errno != errno.ENOTEMPTY:
                raise
            raise _taken(target) from problem  # by another pull, for one


def _taken(target: Path) -> SpecError:
    return SpecError(f"{target} exists and is not an empty folder; name a new one, nothing is overwritten")
