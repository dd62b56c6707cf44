"""Server-side encryption: asked for by every request that creates an object, whoever makes it."""

from typing import Any, Protocol

CREATES = ("PutObject", "CreateMultipartUpload", "CopyObject")
ASKED = "upkeep_asks_for"


class Encrypted(Protocol):
    """What a spec says of it: `none`, `AES256` or `aws:kms`; the key only with the last."""

    @property
    def encryption(self) -> str: ...
    @property
    def kms_key_id(self) -> str | None: ...


def encrypt_writes(client: Any, wanted: Encrypted) -> None:
    """From now on, objects that this client creates are encrypted as the spec says.

    It is done where boto builds its requests: transfers and copies make their own, and none can be forgotten.
    """
    if wanted.encryption == "none":
        return
    arguments = {"ServerSideEncryption": wanted.encryption}
    if wanted.kms_key_id:
        arguments["SSEKMSKeyId"] = wanted.kms_key_id

    def add(params: dict[str, Any], **_: Any) -> None:
        params.update(arguments)

    setattr(client, ASKED, tuple(arguments.values()))
    for name in CREATES:
        client.meta.events.register(f"provide-client-params.s3.{name}", add)


def encryption_of(client: Any) -> str:
    """What this client asks for, as words: an upload that was begun with others would become another object."""
    return " ".join(getattr(client, ASKED, ()))
