"""Where Upkeep runs and with which credentials: the only place that reads the environment."""

import json
import logging
import os
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from errors import SpecError

PREFIX = "UPKEEP_"
PORTS = {"http": 80, "https": 443}


class Settings(BaseSettings):
    """Environment variables with the prefix UPKEEP_. No bucket means: Upkeep's own S3 server on loopback,
    with its data under `home`. A variable that holds nothing is unset."""

    # A refused value is not shown: pydantic would show it, and for some mistakes all the others, secrets as they came.
    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_ignore_empty=True, extra="ignore", hide_input_in_errors=True
    )

    home: Path | None = None
    """Working files, caches, reports and the embedded store; default: `.upkeep` beside the spec."""
    cache_days: int = Field(14, ge=1)
    """Copies of stored files that no run used for so long leave the machine."""
    s3_bucket: str | None = None
    s3_prefix: str = ""
    """What stands before `models/NAME/` in every key."""
    s3_endpoint_url: str | None = None
    s3_region: str = "us-east-1"
    s3_access_key: SecretStr | None = None
    """Both keys unset: boto3's own search (environment, profile, instance role)."""
    s3_secret_key: SecretStr | None = None
    s3_single_writer: bool = False
    """Only this machine writes: needed where the store does not keep `If-None-Match` (docs/registry.md)."""
    s3_data: Path | None = None
    """Where a SeaweedFS on this machine keeps its files: each write is forced to the disk there before it counts."""

    gpu_pool: str | None = None
    """The Prefect work pool that trains and does the heavy scoring; unset: the run does it itself. `upkeep deploy`
    sets it for the runs that it deploys."""

    gpu_from_rows: int = 20_000
    """Windows of at least so many rows are scored there, too."""

    signing_key: SecretStr | None = None
    """The private key that signs releases: the text of a PEM file, or (below) where it is."""
    signing_key_file: Path | None = None
    verify_key: SecretStr | None = None
    """The public key that releases are verified with; without it, the one that belongs to the private key.
    It is no secret, but the other half may be put here by mistake."""
    verify_key_file: Path | None = None

    api_key: SecretStr | None = None
    """Of the API that the spec's model.hosted names; without one, that its evaluation.judge.api names."""
    api_keys: Annotated[dict[str, SecretStr], NoDecode] = {}
    """As JSON, address → key: of other servers: a judge's, or those that versions of a hosted model are pinned to."""

    @field_validator("s3_prefix")
    @classmethod
    def _is_kept_by_every_store(cls, prefix: str) -> str:
        """SeaweedFS for one lists nothing of what it took under `a//b`, and `/a` as `a`: the registry would look empty."""
        if {"", ".", ".."} & set(prefix.removesuffix("/").split("/")) and prefix:
            raise ValueError("a slash at the beginning, two in a row and the parts . and .. are changed or refused by some stores; "
                             "write it as team/upkeep/")  # fmt: skip
        return prefix

    @field_validator("api_keys", mode="before")
    @classmethod
    def _are_json(cls, told: Any) -> Any:
        """Read here, since of two keys for one address only the last would be left of what is read elsewhere."""
        try:
            return json.loads(told, object_pairs_hook=_one_a_server) if isinstance(told, str) else told
        except json.JSONDecodeError:
            raise ValueError("no JSON could be read from it") from None

    @field_validator("api_keys")
    @classmethod
    def _are_of_servers(cls, keys: dict[str, SecretStr]) -> dict[str, SecretStr]:
        """Any other would be found for no server. It is not shown: it may be the key, or hold a password."""
        for number, address in enumerate(keys, 1):
            if not _is_server(address):
                raise ValueError(f"address {number} of {len(keys)} (not shown) is none of a server, or holds a user; write "
                                 "https://api.example.com before its key")  # fmt: skip
        return keys

    def home_for(self, spec_path: Path) -> Path:
        return (self.home or spec_path.resolve().parent / ".upkeep").resolve()


def _one_a_server(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """ValueError, with the server and without a key, where two addresses are the same server's."""
    servers = [server_of(address) for address, _ in pairs if _is_server(address)]
    twice = next((server for server in servers if servers.count(server) > 1), None)
    if twice:
        raise ValueError(f"two keys for {twice}: capitals, the scheme's own port and what stands behind the host make no other server; "
                         "leave one of them")  # fmt: skip
    return dict(pairs)


def server_of(url: str) -> str:
    """The same for every way of writing its address: capitals mean nothing there, and a scheme has its own port."""
    parts = urlsplit(url)
    user, at, _ = parts.netloc.rpartition("@")
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    port = "" if parts.port in {None, PORTS.get(parts.scheme)} else f":{parts.port}"
    return f"{parts.scheme}://{user}{at}{host}{port}"


def _is_server(address: str) -> bool:
    try:
        parts = urlsplit(address)
        return (
            parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0 and "@" not in parts.netloc
        )
    except ValueError:  # half a bracket, or a port that is none
        return False


def read_settings() -> Settings:
    """Raises SpecError, without any value, where a variable does not hold what it should."""
    try:
        return Settings()
    except ValidationError as problem:
        wrong = [
            f"{PREFIX}{error['loc'][0]}".upper() + f": {error['msg'].removeprefix('Value error, ')}"
            for error in problem.errors()
        ]
    raise SpecError("; ".join(wrong) + ". Mend the environment variable, or unset it")


QUIET = {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "TOKENIZERS_PARALLELISM": "false",
}
"""The environment of every command and run: nothing phones home."""
TEMPORARY = QUIET | {
    "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "true",
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "180",
    "PREFECT_SERVER_REGISTER_BLOCKS_ON_START": "false",
    "PREFECT_SERVER_MEMOIZE_BLOCK_AUTO_REGISTRATION": "false",  # it imports all of its packages to see
}
"""That of a command which starts Prefect's server for as long as it runs, where no other is named: nobody makes blocks there."""
OWN = ("flows", "infra", "models", "tasks")
"""Whose warnings are for people."""
DEPLOYED = QUIET | {
    "PREFECT_LOGGING_EXTRA_LOGGERS": ",".join(OWN),
    "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",  # of a thread that belongs to no run
}
"""That of a deployment's runs: what they warn of is shown on their pages."""


def keep_quiet() -> None:
    """Before Prefect is imported, which tells its makers of whoever does so in a terminal for the first time."""
    _default_to(QUIET)


def prepare_environment(*, verbose: bool) -> None:
    """Defaults for the libraries, before they are imported: Prefect's embedded server where no other is named,
    its log in its database rather than between our lines. What Upkeep itself warns of is told on stderr."""
    _default_to(TEMPORARY | {"PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "INFO" if verbose else "CRITICAL"})
    if logging.lastResort and not verbose:
        for name in OWN:
            logging.getLogger(name).addHandler(logging.lastResort)


def names_prefect() -> bool:
    """Whether the environment says which server of Prefect's to use; a profile of Prefect's may do so, too."""
    return bool(os.environ.get("PREFECT_API_URL"))


def name_prefect(url: str, *, pages: str) -> None:
    os.environ["PREFECT_API_URL"] = url
    _default_to({"PREFECT_UI_URL": pages})


def _default_to(variables: dict[str, str]) -> None:
    for name, value in variables.items():
        os.environ.setdefault(name, value)
