"""Starts Prefect's own server where none is named, beside what a command has to import anyway.

Prefect would start the same one by itself, but only once a flow begins, and would import the whole server into the command for it.
"""

import atexit
import http.client
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from errors import PoolError
from infra.prefect_server import STOP_SECONDS
from infra.settings import name_prefect, names_prefect

PROGRAM = Path(__file__).with_name("prefect_server.py")
LOOPBACK = "127.0.0.1"


class OwnServer:
    """A process that ends with this one. Whoever asks it before it is up waits for its answer."""

    def __init__(self) -> None:
        with socket.create_server((LOOPBACK, 0)) as listening:
            self.port: int = listening.getsockname()[1]
            number = listening.fileno()
            # -P: other modules of this folder are not in its way
            command = [sys.executable, "-P", str(PROGRAM), str(number)]
            self.process = subprocess.Popen(command, stdin=subprocess.PIPE, pass_fds=[number], start_new_session=True)
        atexit.register(self.stop)

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}/api"

    def wait(self, seconds: int) -> None:
        """Raises PoolError where it is not up by then, or ended."""
        asked = http.client.HTTPConnection(LOOPBACK, self.port, timeout=seconds)
        try:
            asked.request("GET", "/api/health")
            answer = asked.getresponse()
        except TimeoutError as late:
            raise _not_up(f" within {seconds} seconds") from late
        except (OSError, http.client.HTTPException) as ended:
            raise _not_up("") from ended
        finally:
            asked.close()
        if answer.status != http.HTTPStatus.OK:
            raise _not_up(f" (it answered {answer.status})")

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def _not_up(how: str) -> PoolError:
    return PoolError(f"the Prefect server that a run starts of its own did not come up{how}: with -v, the command shows "
                     "what it said. It refuses a database that a newer Prefect has used: install that again, or name "
                     "another place by PREFECT_HOME; or name a server that runs by PREFECT_API_URL")  # fmt: skip


@contextmanager
def prefect_coming_up() -> Iterator[None]:
    """The server starts as the context begins, and is up and named to all of this process as it ends; nothing is done where
    another is named. It takes longer than importing Prefect, which says whether a profile or a file names one."""
    if names_prefect():
        yield
        return
    server = OwnServer()
    from prefect.settings import PREFECT_API_URL, PREFECT_SERVER_ALLOW_EPHEMERAL_MODE
    from prefect.settings import PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS as PATIENCE

    if PREFECT_API_URL.value() or not PREFECT_SERVER_ALLOW_EPHEMERAL_MODE.value():
        server.stop()
        yield
        return
    yield
    server.wait(PATIENCE.value())
    _use(server)


def _use(server: OwnServer) -> None:
    """In every thread; a flow would start another server in one that did not see it."""
    from prefect.context import refresh_global_settings_context
    from prefect.settings import PREFECT_SERVER_API_HOST, PREFECT_SERVER_API_PORT

    pages = f"http://{PREFECT_SERVER_API_HOST.value()}:{PREFECT_SERVER_API_PORT.value()}"
    name_prefect(server.url, pages=pages)  # `upkeep ui` shows its runs there
    refresh_global_settings_context()
