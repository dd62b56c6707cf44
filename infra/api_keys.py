"""The keys of hosted models' APIs: each is sent to its own server and to no other."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import SecretStr

from infra.settings import server_of


@dataclass(frozen=True)
class ApiKeys:
    """`own`: of the server that the spec names. `others`: address → key, of servers that earlier versions are pinned to."""

    own: SecretStr | None = None
    others: Mapping[str, SecretStr] = field(default_factory=dict)

    def of(self, url: str, *, own_url: str) -> str | None:
        named = {server_of(other): key for other, key in self.others.items()}
        found = named.get(server_of(url)) or (self.own if server_of(url) == server_of(own_url) else None)
        return found.get_secret_value() if found else None
