"""Installs what Prefect does by itself for one model: the files under `infra/automations/`, one automation each.

An automation is known by its name: installing again changes it in place, and leaves it paused where a person paused it. One that is
the same already is left alone, since Prefect begins anew to wait for whatever a changed one waits for: a run that died just before would
never be marked.
"""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from string import Template
from typing import Any
from uuid import UUID

import yaml
from httpx import HTTPStatusError
from prefect.client.orchestration import ServerType, SyncPrefectClient
from prefect.events.schemas.automations import AutomationCore
from prefect.exceptions import ObjectNotFound
from pydantic import TypeAdapter

from errors import SpecError

FOLDER = Path(__file__).resolve().parent.parent / "infra" / "automations"
ALERT = "alert"
"""An action of our files that becomes a notification where one is wanted, and otherwise only leaves its event."""

REMEMBERS = "PREFECT_SERVER_EVENTS_EXPIRED_BUCKET_BUFFER"
"""For how long a server acts on what did not come in time, where it was down at that moment."""
LONG_ENOUGH = timedelta(days=1)
"""An outage that nobody ends before the next morning."""


def install_automations(values: Mapping[str, str], *, notify: UUID | None, client: SyncPrefectClient) -> list[str]:
    """Every file, filled with `values`. Returns the automations' names."""
    return [_upsert(automation, client) for automation in read_automations(values, notify=notify)]


def read_automations(values: Mapping[str, str], *, notify: UUID | None) -> list[AutomationCore]:
    documents = (
        yaml.safe_load(Template(file.read_text("utf-8")).substitute(values)) for file in sorted(FOLDER.glob("*.yaml"))
    )
    return [
        AutomationCore.model_validate({**found, "actions": [_action(a, notify) for a in found["actions"]]})
        for found in documents
    ]  # fmt: skip


def _action(action: dict[str, Any], notify: UUID | None) -> dict[str, Any]:
    if action["type"] != ALERT:
        return action
    if notify is None:
        return {"type": "do-nothing"}
    return {**action, "type": "send-notification", "block_document_id": str(notify)}


def _upsert(automation: AutomationCore, client: SyncPrefectClient) -> str:
    known = client.read_automations_by_name(automation.name)
    if not known:
        client.create_automation(automation)
        return automation.name
    wanted = automation.model_copy(update={"enabled": known[0].enabled})
    if wanted != AutomationCore.model_validate(known[0].model_dump(include=set(AutomationCore.model_fields))):
        client.update_automation(known[0].id, wanted)
    return automation.name


def find_notification(block: str, *, client: SyncPrefectClient) -> UUID:
    """The id of a notification block that is written `type/name`, as `slack-webhook/ops`."""
    if "://" in block:  # whose path is often the secret
        raise SpecError("--notify takes the name of a block, TYPE/NAME, and no address (which is not repeated, since it may hold a "
                        "secret): put that into a block, in the UI under Blocks, and name the block, as slack-webhook/ops")  # fmt: skip
    kind, slash, name = block.partition("/")
    if not (kind and slash and name):
        raise SpecError(
            f"--notify {block!r}: a block is named TYPE/NAME, as slack-webhook/ops; `prefect block ls` shows yours"
        )
    try:
        return client.read_block_document_by_name(name, kind).id
    except ObjectNotFound as problem:
        raise SpecError(f"--notify {block!r}: Prefect has no such block; make it in the UI under Blocks, or by "
                        "`prefect block create`; `prefect block ls` shows what there is") from problem  # fmt: skip


def remembers_for(client: SyncPrefectClient) -> timedelta | None:
    """The server's own setting `REMEMBERS`; None of one that does not say, as Prefect Cloud."""
    if client.server_type is not ServerType.SERVER:
        return None
    try:
        told = client.request("GET", "/admin/settings").json()["server"]["events"]["expired_bucket_buffer"]
    except (HTTPStatusError, KeyError):
        return None
    return TypeAdapter(timedelta).validate_python(told)
