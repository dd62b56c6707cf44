"""What others raise and is no bug: told like our own errors, in one message and by an exit code."""

import errno
import sys
import traceback

from errors import FullDisk, PoolError, SpecError, UpkeepError
from infra.files import NO_ROOM

CLOSED = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENAMETOOLONG}
"""Also where a file is in a folder's place, or the other way round."""
DENIED, NOWHERE = {401, 403}, 404
REACHED = "Failed to reach API at "
ADDRESSED = (f"{REACHED}http://", f"{REACHED}https://")
AWAY = "Failed to reach API"


def as_refusal(problem: Exception) -> UpkeepError | None:
    """None where it is a bug, whose traceback is wanted."""
    if isinstance(problem, UpkeepError):
        return problem
    if isinstance(problem, OSError) and problem.filename and (problem.errno in CLOSED or _is_no_place(problem)):
        return SpecError(f"{problem.filename}: {problem.strerror}. Upkeep needs to read or write there: give this user the "
                         "right to, or name another place (its own files lie where UPKEEP_HOME says)")  # fmt: skip
    if isinstance(problem, OSError) and problem.errno in NO_ROOM:
        return FullDisk(f"{problem.filename or 'a temporary file'}: no room is left on the disk. Make room, or name another place (TMPDIR "
                        "for temporary files, UPKEEP_HOME for Upkeep's own); run again, what was finished is not done twice")  # fmt: skip
    if _is_no_address(problem):
        return PoolError("PREFECT_API_URL is no address that can be asked (it may hold a password, and is not repeated): it begins with "
                         "http:// or https://, a port is a number, and a password has its / written %2F; where it is unset, a run starts "
                         "a server of its own")  # fmt: skip
    if _is_unanswered(problem):
        return PoolError(f"Prefect's server does not answer ({problem}). Is it running, and PREFECT_API_URL right? Where that "
                         "is unset, a run starts a server of its own")  # fmt: skip
    return _as_answer(problem)


def _is_no_place(problem: OSError) -> bool:
    """For a folder, such as below /proc, which then is "not there"; any other file that is not there is a bug."""
    frames = [frame.f_code.co_name for frame, _ in traceback.walk_tb(problem.__traceback__)]
    return problem.errno == errno.ENOENT and frames[-1:] == ["mkdir"]


def _as_answer(problem: Exception) -> PoolError | None:
    """Of Prefect's server, or of what stands at its address; whoever never imported its client has not asked it."""
    prefect = sys.modules.get("prefect.exceptions")
    if prefect is None or not isinstance(problem, prefect.PrefectHTTPStatusError):
        return None
    status, address = problem.response.status_code, problem.request.url
    if status in DENIED:
        return PoolError(
            f"Prefect's server refuses ({status} at {address}): look at PREFECT_API_AUTH_STRING, or PREFECT_API_KEY"
        )
    if status == NOWHERE:
        return PoolError(
            f"no Prefect server answers at {address} ({status}): look at PREFECT_API_URL, which ends with /api"
        )
    return None


def _is_no_address(problem: Exception) -> bool:
    """Prefect repeats such a one, and what looks like a credential is struck out of addresses alone."""
    httpx = sys.modules.get("httpx")
    unusable = (httpx.InvalidURL, httpx.UnsupportedProtocol) if httpx is not None else ()
    told = str(problem)
    return isinstance(problem, unusable) or (told.startswith(REACHED) and not told.startswith(ADDRESSED))


def _is_unanswered(problem: Exception) -> bool:
    httpx = sys.modules.get("httpx")  # who never imported it has not asked anybody
    return str(problem).startswith(AWAY) or (httpx is not None and isinstance(problem, httpx.TransportError))
