"""boto's errors as ours: they name the address, the cause and the way out, and carry no credentials."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from errors import KeyTaken, MissingObject, StoreError, redacted

READS = 4
REASONS = {
    "NoSuchBucket": "the bucket does not exist; create it or set UPKEEP_S3_BUCKET",
    "RequestTimeTooSkewed": "this machine's clock and the store's are too far apart; set the clock (by NTP), nothing was "
                            "changed",
    "ExpiredToken": "the credentials have expired; get new ones and run again: a run that was interrupted goes on",
    "InvalidAccessKeyId": "the store does not know this access key; check UPKEEP_S3_ACCESS_KEY",
    "SignatureDoesNotMatch": "the secret does not belong to the access key, or a proxy changes requests on their way; check "
                             "UPKEEP_S3_SECRET_KEY",
    "AccessDenied": "access denied (AccessDenied); check the bucket's policy and the role (docs/access.md)",
    "InsufficientStorage": "the store has no space left; nothing that was released is harmed: free some (`upkeep gc`) and "
                           "run again",
}  # fmt: skip


@contextmanager
def translated(uri: str) -> Iterator[None]:
    """Turns what boto raises within into a StoreError."""
    from boto3.exceptions import S3UploadFailedError
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except (BotoCoreError, ClientError, S3UploadFailedError) as problem:
        _redact(problem)
        answer = problem.__context__ if isinstance(problem, S3UploadFailedError) else problem
        if isinstance(answer, ClientError):
            code = str(answer.response.get("Error", {}).get("Code", ""))
            status = answer.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
            raise _meaning(uri, code, status) from problem
        raise StoreError(f"{uri}: {problem}; is the store running and UPKEEP_S3_ENDPOINT_URL right?") from problem


def whole_body(read: Callable[[], bytes]) -> bytes:
    """What `read` gives, once no connection breaks in the middle: boto repeats requests, but not the reading of bodies."""
    from botocore.exceptions import ConnectionClosedError, IncompleteReadError, ReadTimeoutError, ResponseStreamingError

    for _ in range(READS - 1):
        with suppress(ConnectionClosedError, IncompleteReadError, ReadTimeoutError, ResponseStreamingError):
            return read()
    return read()


def _meaning(uri: str, code: str, status: int) -> StoreError:
    if code in REASONS:
        return StoreError(f"{uri}: {REASONS[code]}")
    if status == 404 or code in {"NoSuchKey", "404"}:
        return MissingObject(f"{uri}: nothing is stored there")
    if status in {409, 412}:
        return KeyTaken(f"{uri}: already written by another run")
    if status == 403:
        return StoreError(
            f"{uri}: access denied ({code}); check UPKEEP_S3_ACCESS_KEY, its secret and the bucket's policy"
        )
    if status == 507:
        return StoreError(f"{uri}: {REASONS['InsufficientStorage']}")
    if status >= 500:
        return StoreError(f"{uri}: the store answered {status} {code}, several times: it is overloaded, or its disk is full. "
                          "Nothing that was released is harmed; look at its log and run again")  # fmt: skip
    return StoreError(f"{uri}: the store answered {status} {code}")


def _redact(problem: BaseException) -> None:
    """Some servers and proxies repeat in an answer what they were sent, and a traceback shows every cause."""
    cause: BaseException | None = problem
    while cause is not None:
        cause.args = tuple(redacted(a) if isinstance(a, str) else a for a in cause.args)
        cause = cause.__cause__ or cause.__context__
