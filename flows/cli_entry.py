"""The way into the `upkeep` command, which Ctrl-C may end from the first moment on: whatever it needs is imported within."""

import atexit
import gc
import sys

INTERRUPTED = 130


def main() -> None:
    """Entry point: whoever interrupts a command is told so in one line and by its exit code, without a traceback."""
    atexit.register(gc.freeze)  # or Python looks through all that was imported, several times, before it ends
    try:
        from flows.cli import main as command

        command()
    except (KeyboardInterrupt, SystemExit) as ended:
        if isinstance(ended, SystemExit) and ended.code != INTERRUPTED:
            raise
        print("upkeep: interrupted; run it again, and it goes on where it was", file=sys.stderr)
        sys.exit(INTERRUPTED)


if __name__ == "__main__":
    main()
