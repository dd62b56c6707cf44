"""The keys of hosted models' APIs: each is sent to its own server and to no other."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from pydantic import SecretStr

from infra.settings import Settings

PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class ApiKeys:
    """`own`: of the server that the spec names. `others`: address → key, of servers that earlier versions are pinned to."""

    own: SecretStr | None = None
    others: Mapping[str, SecretStr] = field(default_factory=dict)

    def of(self, url: str, *, own_url: str) -> str | None:
        named = {_server(other): key for other, key in self.others.items()}
        found = named.get(_server(url)) or (self.own if _server(url) == _server(own_url) else None)
        return found.get_secret_value() if found else None


def read_api_keys(settings: Settings) -> ApiKeys:
    return ApiKeys(settings.api_key, settings.api_keys)


def _server(url: str) -> tuple[str, str, str | None, int | None]:
    """The same for every way of writing its address: capitals mean nothing there, and a scheme has its own port."""
    parts = urlsplit(url)
    user, _, _ = parts.netloc.rpartition("@")
    return parts.scheme, user, parts.hostname, parts.port or PORTS.get(parts.scheme)
