"""The main job on real data, from nothing to a second release: what `upkeep demo` runs."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from errors import SpecError, UpkeepError
from infra.workspace import open_workspace
from models.contracts import Ended, Outcome
from models.spec import read_spec

EXAMPLE = Path(__file__).resolve().parent.parent / "examples" / "sentiment"
MARKER = ".upkeep-demo"
ACTS = (
    ("a quiet day", "day-1.csv", "fresh tweets, like those that version 1 knows", {Outcome.HELD}),
    ("drift", "day-2.csv", "sentences from film reviews: another domain", {Outcome.RELEASED}),
    ("bad labels", "day-3.csv", "film sentences whose labels were flipped",
     {Outcome.REJECTED, Outcome.INSUFFICIENT, Outcome.ALERTED}),
)  # fmt: skip

Say = Callable[[str], None]


def play(folder: Path, *, say: Say) -> None:
    """Bootstraps a champion, then lives through a quiet day, a drift and a day of bad labels."""
    from flows.bootstrap import bootstrap
    from flows.maintain import maintain
    from flows.story import tell

    began = time.monotonic()
    spec_path = _prepare(folder, say)
    with open_workspace(spec_path, read_spec(spec_path)):  # one store for all acts
        say("\nbootstrap: tweets with human ratings; MiniLM becomes their first sentiment model")
        ended = _act(folder, "day-0.csv", lambda: bootstrap(spec_path), tell, say)
        for title, batch, what, expected in ACTS:
            say(f"\n{title}: {what}")
            ended = _act(folder, batch, lambda: maintain(spec_path), tell, say)
            _require(ended, title, expected)
    say(f"\nDone in {time.monotonic() - began:.0f} s. Look further:")
    _point_onwards(spec_path, ended, say)


def _act(folder: Path, batch: str, run: Callable[[], Ended], story: Callable[[Ended], list[str]], say: Say) -> Ended:
    """Lets a day's rows come in, runs, and tells what happened."""
    shutil.copyfile(folder / "batches" / batch, folder / "incoming" / batch)
    began = time.monotonic()
    ended = run()
    for line in story(ended):
        say(line)
    say(f"   took {time.monotonic() - began:.0f} s")
    return ended


def _require(ended: Ended, title: str, expected: set[Outcome]) -> None:
    outcome = getattr(ended.report, "outcome", None)
    if outcome not in expected:
        wanted = " or ".join(sorted(expected))
        raise UpkeepError(f"the demo's act {title!r} ended with {outcome}, expected was {wanted}; its report says why")


def _prepare(folder: Path, say: Say) -> Path:
    """A fresh demo folder; the cache of downloads is kept from one demo to the next."""
    if folder.exists() and any(folder.iterdir()) and not (folder / MARKER).exists():
        raise SpecError(f"{folder} holds something that is not a demo; name another folder with --folder")
    for old in folder.glob("*"):
        if old.name != "cache":
            shutil.rmtree(old) if old.is_dir() else old.unlink()
    shutil.rmtree(folder / ".upkeep", ignore_errors=True)
    (folder / "incoming").mkdir(parents=True, exist_ok=True)
    (folder / MARKER).touch()
    say(f"preparing real data and a real model in {folder}")
    command = [sys.executable, str(EXAMPLE / "prepare.py"), str(folder), "--cache", str(folder / "cache")]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise UpkeepError(f"the demo's data could not be prepared:\n{done.stdout}{done.stderr}")
    for line in done.stdout.splitlines():
        say(f"   {line}")
    return folder / "spec.yaml"


def _point_onwards(spec_path: Path, ended: Ended, say: Say) -> None:
    command, spec = (_from_here(path) for path in (Path(sys.argv[0]), spec_path))
    say(f"   {command} status {spec}      what is champion, and what happened")
    say(f"   {command} history {spec}     every run")
    say(f"   {command} pull {spec}@champion my-model    the champion, verified, for from_pretrained")
    say(f"   {command} rollback {spec}    back to the version before")
    say(f"   {command} ui                      Prefect's pages of these runs")
    if ended.pages:
        say(f"report: {ended.pages.local_html}")


def _from_here(path: Path) -> Path:
    """A path as one types it in the current folder, so that the printed commands can be copied."""
    whole = Path(os.path.abspath(path))  # not resolved: the environment's bin folder may hold links
    return whole.relative_to(Path.cwd()) if whole.is_relative_to(Path.cwd()) else whole
