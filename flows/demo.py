"""The main job on real data, from nothing to a second release: what `upkeep demo` runs."""

import difflib
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile

from errors import DataError, ModelError, SpecError, UpkeepError
from infra.own_prefect import prefect_coming_up
from infra.workspace import open_workspace
from models.contracts import Ended, Outcome
from models.spec import read_spec
from models.yaml12 import load_yaml
from tasks.formats import typed

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
    expected: tuple[Outcome, ...] = ()
    spec: str | None = None
    """A file that was laid out, and that the user puts in the place of spec.yaml before this day."""


@dataclass(frozen=True)
class Life:
    """What an example's acts.yaml holds."""

    first: Act
    acts: tuple[Act, ...]
    beside: str | None = None
    """A module of the example that runs for as long as the acts do: it says one line once it is ready, and ends when its
    standard input does."""


def play(folder: Path, *, example: str, say: Say) -> None:
    """Bootstraps a champion, then lives through the example's days."""
    began = time.monotonic()
    life = read_life(EXAMPLES / example / "acts.yaml")
    spec_path = _prepare(folder, example, say)
    beside = [sys.executable, "-m", f"examples.{example}.{life.beside}", str(folder)] if life.beside else []
    with running(beside, say):
        ended = live(life, folder, say)
    say(f"\nDone in {time.monotonic() - began:.0f} s. Look further:")
    _point_onwards(spec_path, ended, beside, say)


def live(life: Life, folder: Path, say: Say) -> Ended:
    """The days one after the other, in one store. Raises UpkeepError where one ends as it should not."""
    with prefect_coming_up():
        from flows.bootstrap import bootstrap
        from flows.maintain import maintain

    spec_path = folder / "spec.yaml"
    with open_workspace(spec_path, read_spec(spec_path)):
        ended = _act(folder, life.first, lambda: bootstrap(spec_path), say)
        for act in life.acts:
            ended = _act(folder, act, lambda: maintain(spec_path), say)
            _require(ended, act)
    return ended


def read_life(path: Path) -> Life:
    """SpecError where there is no such example."""
    if not path.parent.parent.is_dir():
        raise SpecError(f"the examples are no part of the installed package ({path.parent.parent} is not there): get Upkeep's "
                        "repository, and run `make demo` in it, which sets up an `upkeep` that has them")  # fmt: skip
    if not path.is_file():
        known = ", ".join(sorted(found.parent.name for found in EXAMPLES.glob("*/acts.yaml")))
        raise SpecError(f"there is no example {path.parent.name!r} in {EXAMPLES}; there are: {known}")
    told = load_yaml(path.read_text(encoding="utf-8"))
    acts = (Act(**{**act, "expected": tuple(map(Outcome, act["expected"]))}) for act in told["acts"])
    return Life(Act(title="bootstrap", **told["first"]), tuple(acts), told.get("beside"))


@contextmanager
def running(command: list[str], say: Say) -> Iterator[None]:
    """What an example needs beside it, if anything. Its standard input ends with this process, even a killed one."""
    if not command:
        yield
        return
    with subprocess.Popen(
        command, cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as beside:
        ready = beside.stdout.readline() if beside.stdout else ""
        if not ready:
            _, why = beside.communicate()
            raise ModelError(
                f"`python {shlex.join(command[1:])}`, which the demo needs beside it, did not start:\n{why}"
            )
        say(f"   {ready.rstrip()}")
        yield


def _act(folder: Path, act: Act, run: Callable[[], Ended], say: Say) -> Ended:
    """Puts the day's spec in place and lets its rows come in, runs, and tells what happened."""
    from flows.story import tell

    say(f"\n{act.title}: {act.says}")
    if act.spec:
        for line in put_spec(folder / act.spec, folder / "spec.yaml"):
            say(f"   spec      {line}")
    shutil.copyfile(folder / "batches" / act.batch, folder / "incoming" / act.batch)
    began = time.monotonic()
    ended = run()
    for line in tell(ended, _from_here(folder / "spec.yaml")):
        say(line)
    say(f"   took {time.monotonic() - began:.0f} s")
    return ended


def put_spec(new: Path, old: Path) -> list[str]:
    """Puts one spec in the place of another; the lines that differ."""
    before, after = (path.read_text(encoding="utf-8").splitlines() for path in (old, new))
    shutil.copyfile(new, old)
    return [line for line in difflib.ndiff(before, after) if line.startswith(("- ", "+ "))]


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
    command = [sys.executable, "-u", "-m", f"examples.{example}.prepare", whole, "--cache",
               os.path.join(whole, "cache")]  # fmt: skip
    with TemporaryFile("w+") as complaints:
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=complaints, text=True, cwd=ROOT) as preparing:
            for line in preparing.stdout or ():
                say(f"   {line.rstrip()}")
        if preparing.returncode:
            complaints.seek(0)
            raise DataError(f"the demo's data could not be prepared:\n{complaints.read()}")
    return folder / "spec.yaml"


def _point_onwards(spec_path: Path, ended: Ended, beside: list[str], say: Say) -> None:
    command, spec = (typed(_from_here(path)) for path in (Path(sys.argv[0]), spec_path))
    use = ": whom it asks, and what" if read_spec(spec_path).model.hosted else ", for from_pretrained"
    say(f"   {command} status {spec}      what is champion, and what happened")
    say(f"   {command} history {spec}     every run")
    say(f"   {command} pull {spec}@champion my-model    the champion, verified{use}")
    if beside:
        there = "" if Path.cwd() == ROOT else f"cd {typed(ROOT)} && "  # where `examples` can be imported
        again = there + " ".join(map(typed, [beside[0] if there else _from_here(Path(beside[0])), *beside[1:]]))
        say(f"   {again}    what ran beside the demo, for a terminal of its own: rollback and run need it")
    say(f"   {command} rollback {spec}    back to the version before")
    say(f"   {command} ui                      Prefect's pages of these runs")
    if ended.pages:
        say(f"report: {ended.pages.local_html}")


def _from_here(path: Path) -> Path:
    """A path as one types it in the current folder, so that the printed commands can be copied."""
    whole = Path(os.path.abspath(path))  # not resolved: the environment's bin folder may hold links
    return whole.relative_to(Path.cwd()) if whole.is_relative_to(Path.cwd()) else whole
