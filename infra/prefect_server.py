"""The process of Prefect's own server: `python -P infra/prefect_server.py SOCKET`, the number of one that listens already.

It ends with whoever started it, however that ends: they hold the other end of its standard input.
"""

import gc
import os
import signal
import socket
import sys
import threading
import time
from functools import partial

STOP_SECONDS = 5
"""Until one that was asked to end is killed."""


def serve(listening: socket.socket) -> None:
    """Whoever asked before it was up is answered then."""
    threading.Thread(target=_end_with_the_command, daemon=True).start()
    gc.disable()  # or Python looks through all that it imports, again and again
    import uvicorn
    from prefect.server.api.server import create_app

    gc.freeze()
    gc.enable()
    made = partial(create_app, ephemeral=True, final=True)  # called within: it sets up the log after uvicorn did
    uvicorn.Server(uvicorn.Config(made, factory=True, log_level="error", lifespan="on")).run(sockets=[listening])


def _end_with_the_command() -> None:
    os.read(sys.stdin.fileno(), 1)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(STOP_SECONDS)
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))
