"""Everything that Upkeep refuses, as one small tree.

    UpkeepError
    ├── SpecError            the spec (or a command's argument) is wrong             exit 2
    ├── DataError            the data cannot be used; nothing was changed            exit 5
    │   └── TooManyBadRows   more rows broken than the spec allows
    ├── ModelError           the model cannot be loaded or does not fit the spec     exit 5
    │   └── UnsafeModel      it holds a pickle, an archive, or code that nobody named
    ├── StoreError           the object store failed or holds something unexpected   exit 6
    │   ├── MissingObject    nothing under that key
    │   ├── KeyTaken         somebody else wrote that key first
    │   ├── CorruptObject    the bytes are not the ones that were recorded
    │   ├── FullDisk         no room on this machine for a file of the store
    │   └── UnsignedRelease  no valid signature, where the spec demands one
    ├── PoolError            a work pool or Prefect's server did not do its part       exit 7
    ├── OverBudget           a training reached its cap; its checkpoint is kept       exit 3
    ├── NotApproved          a person said no, too late, or not clearly enough       exit 4
    ├── NoChampion           nothing was released yet                                exit 2
    ├── UnmeasuredMetric     a gate asks for a number that nobody measured           exit 2
    └── MissingExtra         an optional dependency is needed                        exit 2

Each message names the value, the rule and the way out. The command line prints it and exits with the code
of its class; anything that is not an `UpkeepError` is a bug and exits with 1. No message shows a credential.
"""

import re
from typing import Any

_SECRETS = (
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL), "***"),
    (re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{12,}\b"), "***"),
    (re.compile(r"(?i)([?&][\w-]*(?:key|token|secret|password|signature|sig)=)[^&\s\"'<>]+"), r"\1***"),
    (re.compile(r"(?i)\b(x-amz-(?:signature|credential|security-token)(?:=|['\"]?: ['\"]?)|(?:credential|signature|awsaccesskeyid)=)"
                r"[^&\s\"'<>,]+"), r"\1***"),
    (re.compile(r"://(?:[^/\s\"'<>]+|[^/:@\s\"'<>]+:(?!\d+/)[^\s\"'<>]+)@"), "://***@"),  # of a password, a slash too
    (re.compile(r"(?i)\b(bearer |authorization['\"]?: ['\"]?basic )[\w.~+/=-]+"), r"\1***"),
    (re.compile(r"\b(?:sk-[\w-]{12,}|hf_[A-Za-z0-9]{20,}|pn[ub]_\w{12,})"), "***"),
)  # fmt: skip


def redacted(text: str) -> str:
    """Without what looks like a credential: private keys, access keys, signed addresses, passwords in addresses,
    what a request says who it is by, and the keys of the hub, of Prefect Cloud and of APIs."""
    for pattern, shown in _SECRETS:
        text = pattern.sub(shown, text)
    return text


def redact_causes(problem: BaseException) -> None:
    """Some servers and proxies repeat in an answer what they were sent, some clients name an address with its password, and a
    traceback shows every cause."""
    cause: BaseException | None = problem
    while cause is not None:
        cause.args = tuple(redacted(a) if isinstance(a, str) else a for a in cause.args)
        cause = cause.__cause__ or cause.__context__


class UpkeepError(Exception):
    exit_code = 1

    def __init__(self, message: str) -> None:
        super().__init__(redacted(message))


class SpecError(UpkeepError):
    exit_code = 2


class DataError(UpkeepError):
    exit_code = 5


class TooManyBadRows(DataError):
    pass


class ModelError(UpkeepError):
    exit_code = 5


class UnsafeModel(ModelError):
    pass


class StoreError(UpkeepError):
    exit_code = 6


class MissingObject(StoreError):
    pass


class KeyTaken(StoreError):
    pass


class CorruptObject(StoreError):
    pass


class FullDisk(StoreError):
    pass


class UnsignedRelease(StoreError):
    pass


class PoolError(UpkeepError):
    exit_code = 7


class OverBudget(UpkeepError):
    exit_code = 3

    def __init__(self, stopped: Any) -> None:
        """`stopped`: the record `Stopped` of models/contracts.py; this module imports nothing of ours."""
        super().__init__(stopped.message)
        self.stopped = stopped


class NotApproved(UpkeepError):
    exit_code = 4


class NoChampion(UpkeepError):
    exit_code = 2


class UnmeasuredMetric(UpkeepError):
    exit_code = 2


class MissingExtra(UpkeepError):
    exit_code = 2
