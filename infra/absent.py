"""Nothing under a key is told as that, also by a store that denies the reading.

S3 answers 404 to who may list the key and 403 to everybody else. Where a listing is allowed below a prefix only, as by
`infra/iam/`, Ceph's gateway answers 403 all the same (until its pull request 68577 of 2026). So who is denied a reading asks
whether the key is listed; who may not list either learns nothing by that.
"""

from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from botocore.exceptions import ClientError

DENIED = {"AccessDenied", "403"}
"""The answer to a HEAD has no text, and botocore takes its status."""
ASKED_FOR = "upkeep asked for"


def tell_absent(client: Any) -> None:
    """Lets every reading of this client know what is absent from what is denied."""
    for operation in ("GetObject", "HeadObject"):
        client.meta.events.register(f"provide-client-params.s3.{operation}", _note)
        client.meta.events.register(f"after-call.s3.{operation}", partial(_look, client))


def is_denied(problem: "ClientError") -> bool:
    return problem.response.get("Error", {}).get("Code") in DENIED


def _note(params: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
    context[ASKED_FOR] = {"Bucket": params["Bucket"], "Prefix": params["Key"]}


def _look(client: Any, parsed: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
    if parsed.get("Error", {}).get("Code") in DENIED and _is_absent(client, context[ASKED_FOR]):
        parsed["Error"] |= {"Code": "NoSuchKey", "Message": "denied, and not listed"}
        parsed["ResponseMetadata"]["HTTPStatusCode"] = 404


def _is_absent(client: Any, asked_for: dict[str, str]) -> bool:
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        page = client.list_objects_v2(**asked_for, MaxKeys=1)
    except (BotoCoreError, ClientError):
        return False
    first = [item["Key"] for item in page.get("Contents", [])]
    return "IsTruncated" in page and first != [asked_for["Prefix"]]
