"""The main job on real data, from nothing to a second release: what `upkeep demo` runs."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from errors import SpecError, UpkeepError
from infra.workspace import open_workspace
from models.contracts import Ended, Outcome
from models.spec import read_spec
from models.yaml12 import load_yaml

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "examples"
MARKER = ".upkeep-demo"

Say = Callable[[str], None]


@dataclass(frozen=True)
class Act:
    """A day of a model's life, as its example's acts.yaml has it."""

    title: str
    batch: str
    says: str
    expected: tuple[Outcome, ...]


def play(folder: Path, *, example: str, say: Say) -> None:
    """Bootstraps a champion, then lives through the example's days."""
    from flows.bootstrap import bootstrap
    from flows.maintain import maintain
    from flows.story import tell

    began = time.monotonic()
    first, *acts = _read_acts(example)
    spec_path = _prepare(folder, example, say)
    with open_workspace(spec_path, read_spec(spec_path)):  # one store for all acts
        say(f"\n{first.title}: {first.says}")
        ended = _act(folder, first.batch, lambda: bootstrap(spec_path), tell, say)
        for act in acts:
            say(f"\n{act.title}: {act.says}")
            ended = _act(folder, act.batch, lambda: maintain(spec_path), tell, say)
            _require(ended, act)
    say(f"\nDone in {time.monotonic() - began:.0f} s. Look further:")
    _point_onwards(spec_path, ended, say)


def _read_acts(example: str) -> list[Act]:
    """The bootstrap and what follows. SpecError where there is no such example."""
    path = EXAMPLES / example / "acts.yaml"
    if not path.is_file():
        known = ", ".join(sorted(found.parent.name for found in EXAMPLES.glob("*/acts.yaml")))
        raise SpecError(f"there is no example {example!r} in {EXAMPLES}; there are: {known}")
    told = load_yaml(path.read_text(encoding="utf-8"))
    first = Act("bootstrap", told["first"]["batch"], told["first"]["says"], ())
    return [first, *(Act(a["title"], a["batch"], a["says"], tuple(map(Outcome, a["expected"]))) for a in told["acts"])]


def _act(folder: Path, batch: str, run: Callable[[], Ended], story: Callable[[Ended], list[str]], say: Say) -> Ended:
    """Lets a day's rows come in, runs, and tells what happened."""
    shutil.copyfile(folder / "batches" / batch, folder / "incoming" / batch)
    began = time.monotonic()
    ended = run()
    for line in story(ended):
        say(line)
    say(f"   took {time.monotonic() - began:.0f} s")
    return ended


def _require(ended: Ended, act: Act) -> None:
    outcome = getattr(ended.report, "outcome", None)
    if outcome not in act.expected:
        wanted = " or ".join(sorted(act.expected))
        raise UpkeepError(
            f"the demo's act {act.title!r} ended with {outcome}, expected was {wanted}; its report says why"
        )


def _prepare(folder: Path, example: str, say: Say) -> Path:
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
    whole = os.path.abspath(folder)
    command = [sys.executable, "-m", f"examples.{example}.prepare", whole, "--cache", os.path.join(whole, "cache")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
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
