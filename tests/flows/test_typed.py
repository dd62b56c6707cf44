"""What a command says to type next can be copied, also where the path of a spec or of a file has a space."""

import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from flows.cli import app
from flows.demo import _point_onwards
from flows.label import describe_labels
from flows.rate import describe_rated, rate
from flows.story import tell
from flows.waiting import describe_none
from infra.object_store import ObjectStore
from models.contracts import Ended, LabelCount, LabelRequest, LabelsTaken, Outcome
from models.spec import read_spec
from tests.flows.conftest import Home
from tests.flows.test_approval import Asking
from tests.tasks.reports import asked, attempt, observation, report_of, run, table


@pytest.fixture
def registry(home: Home, store: ObjectStore) -> Asking:
    home.spec = home.spec.rename(home.folder / "my spec.yaml")
    return Asking(home, store)


def files_in(told: str, command: str) -> list[str]:
    """The words with a slash that a shell hands to the first command of this name."""
    found = re.search(rf"{command}.*", told)
    assert found, told
    return [word.rstrip(";,") for word in shlex.split(found[0].replace("`", " ")) if "/" in word]


def test_what_the_commands_about_an_approval_say_to_type_names_the_spec_and_the_sheet(registry: Asking) -> None:
    registry.publish(judged_against=1)
    assert files_in(describe_none(registry.spec), "upkeep promote") == [str(registry.spec)]
    registry.ask(ratings=2)
    page, sheet = registry.spec.with_name("a page.html"), registry.spec.with_name("a sheet.csv")
    for arguments, onwards, named in (
        (["rate", registry.spec, "--page", page], "upkeep rate", [registry.spec]),
        (["waiting", registry.spec, "--sheet", sheet], "upkeep approve", [registry.spec, sheet]),
    ):
        said = CliRunner().invoke(app, list(map(str, arguments)))
        assert said.exit_code == 0 and files_in(said.output, onwards) == list(map(str, named))
    lines = describe_rated(rate(registry.spec, rater="ann", choose=lambda *_: None, warn=print), registry.spec)
    assert files_in(lines[1], "upkeep rate") == 2 * [str(registry.spec)]


@pytest.mark.parametrize("promote", [True, False])
def test_what_a_run_says_to_type_names_the_spec(promote: bool) -> None:
    spec = "mine/my spec.yaml"
    request = LabelRequest(csv=table(500), jsonl=table(500), local_csv="r.csv", random_rows=400, unlike_rows=100, power=0.84,
                           drop=0.05, p_value=0.01, metric="accuracy")  # fmt: skip
    report = run(
        observation(accuracy=0.7), attempt(), promote=False, asking=None if promote else asked(ratings=2, samples=20)
    )
    told = "\n".join(tell(Ended(report=report.model_copy(update={"label_request": request}), pages=None), spec))
    for command in ("label", "promote") if promote else ("label", "waiting", "rate", "approve", "reject"):
        assert files_in(told, f"upkeep {command}")[0] == spec


def test_what_is_said_behind_labels_names_the_spec(home: Home) -> None:
    spec = home.spec.rename(home.folder / "my spec.yaml")
    for waiting in (3, 500):
        taken = LabelsTaken(uri=None, by_label=(LabelCount(label="positive", rows=waiting),), new=waiting, corrected=0, unchanged=0,
                            edited=0, waiting=waiting, batches=())  # fmt: skip
        told = "\n".join(describe_labels(taken, read_spec(spec), spec_path=spec))
        assert files_in(told, "upkeep run") == [str(spec)]


def test_what_init_keygen_and_the_demo_say_to_type_names_their_files(home: Home) -> None:
    rows, spec, keys = home.folder / "mine.csv", home.folder / "my spec.yaml", home.folder / "my keys"
    rows.write_text("text,label\n" + "".join(f"text {n},{'ab'[n % 2]}\n" for n in range(20)))
    wrote = CliRunner().invoke(app, ["init", str(rows), "--model", "model", "--spec", str(spec)]).output
    assert files_in(wrote, "upkeep check") == 2 * [str(spec)]
    made = CliRunner().invoke(app, ["keygen", str(keys)]).output
    named = [word.partition("=")[2] for line in made.splitlines() for word in shlex.split(line) if "=" in word]
    assert len(named) == 2 and all(Path(file).is_file() for file in named)
    said: list[str] = []
    _point_onwards(spec, Ended(report=report_of(Outcome.HELD), pages=None), [], said.append)
    assert files_in("\n".join(said), "status")[-1] == str(spec)
