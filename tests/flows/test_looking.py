"""The commands that only look start nothing, and import nothing of what they do not need."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from infra.object_store import ObjectStore
from tests.flows.conftest import Home
from tests.flows.test_approval import Asking
from tests.flows.test_cli import ROOT

pytestmark = pytest.mark.filterwarnings("ignore:Logger 'prefect")
STARTS = "infra.own_prefect"
LARGE = ("prefect", "torch", "transformers", "evidently", "datasets", "sklearn", "pandas", "pyarrow", "scipy.stats")
LOOKED = """
import json, sys
from typer.testing import CliRunner
from flows.cli import app
commands, large = map(json.loads, sys.argv[1:])
for command in commands:
    done = CliRunner().invoke(app, command)
    print(command[0], done.exit_code, *(library for library in large if library in sys.modules))
"""


def test_the_commands_that_only_look_import_neither_prefect_nor_what_trains_draws_and_holds_tables(
    home: Home, store: ObjectStore, tmp_path: Path
) -> None:
    registry, spec = Asking(home, store), str(home.spec)
    registry.ask()
    commands = [[name, spec] for name in ("status", "history", "versions", "audit", "gc", "verify")]
    commands += [["diff", spec, "1", "2"], ["pull", spec, str(tmp_path / "pulled")]]
    commands += [["waiting", spec], ["rate", spec, "--page", str(tmp_path / "page.html")]]
    done = subprocess.run(
        [sys.executable, "-c", LOOKED, json.dumps(commands), json.dumps([STARTS, *LARGE])],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.splitlines() == [f"{name} 0" for name, *_ in commands]
