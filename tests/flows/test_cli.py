"""The command as a person or a program meets it."""

import json
import os
import pty
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import httpx
import pytest
import yaml
from typer.main import get_command
from typer.testing import CliRunner

import errors
from errors import SpecError, UpkeepError
from flows import cli_answer
from flows.cli import app
from flows.cli_answer import EXITS
from flows.cli_refusals import as_refusal
from flows.dashboard import Dashboard
from infra.settings import TEMPORARY
from models.contracts import BootstrapReport, Ended, Handled, Outcome, RunReport
from models.row_schemas import raw_schema
from models.yaml12 import load_yaml
from tasks.tables import TableWriter
from tests.flows.conftest import SPEC, Home, moved
from tests.tasks.reports import report_of
from tests.tiny import sentences

ROOT = Path(__file__).resolve().parent.parent.parent


def upkeep(*arguments: object, typed: str | None = None) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "flows.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, input=typed)


def test_help_answers_without_importing_any_large_library() -> None:
    code = "import sys, flows.cli; print([m for m in ('torch', 'prefect', 'evidently', 'transformers', 'boto3') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"


def test_the_help_of_every_command_writes_arguments_in_capitals_explains_each_option_and_has_no_switch_that_does_nothing() -> (
    None
):
    for name, command in get_command(app).commands.items():
        for found in command.params:
            assert found.param_type_name == "option" or found.metavar == found.metavar.upper(), (name, found.name)
            assert found.help or found.hidden, (name, found.name)
            assert found.secondary_opts in ([], ["--no-serve"]), (name, found.name)


def test_the_help_lists_the_exit_codes_of_the_readme_and_what_they_are_for_people() -> None:
    shown = " ".join(CliRunner().invoke(app, ["--help"]).output.split())
    told = re.findall(r"^\| (\d+) \| ", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert re.findall(r"(?:Exit codes:|;) (\d+) ", shown) == told
    assert "3 alert, or a version waits" in shown and "or an approval was refused; 5" in shown


def test_the_command_says_which_version_it_is() -> None:
    told = CliRunner().invoke(app, ["--version"])
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert (told.exit_code, told.output) == (0, f"upkeep {declared}\n")


def test_a_mistake_in_a_spec_is_told_without_a_traceback_and_with_exit_code_2(tmp_path: Path) -> None:
    (tmp_path / "spec.yaml").write_text("name: x\nmodle: {}\n")
    done = upkeep("check", tmp_path / "spec.yaml")
    assert done.returncode == 2
    assert "Did you mean model?" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", ["bootstrap", "run", "monitor", "promote", "rollback", "approve", "reject"])
def test_a_wrong_spec_is_refused_before_anything_large_is_imported_or_a_server_started(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[bool] = []
    monkeypatch.setattr(cli_answer, "prepare_environment", lambda **how: begun.append(how["verbose"]))
    (tmp_path / "spec.yaml").write_text("name: x\nmodle: {}\n")
    reason = ["--reason", "reads well"] if command in {"approve", "reject"} else []
    done = CliRunner().invoke(app, [command, str(tmp_path / "spec.yaml"), *reason])
    assert isinstance(done.exception, SpecError) and "Did you mean model?" in str(done.exception)
    assert begun == []


def test_whoever_types_a_command_is_not_counted_by_prefect(tmp_path: Path) -> None:
    """Prefect tells its makers of a new user as soon as it is imported in a terminal."""
    (tmp_path / "spec.yaml").write_text(yaml.safe_dump(SPEC | {"schedule": {"cron": "0 3 * * *"}}))
    kept = {name: value for name, value in os.environ.items() if name not in {"DO_NOT_TRACK", "CI", "GITHUB_ACTIONS"}}
    _, terminal = pty.openpty()
    done = subprocess.run(
        [sys.executable, "-m", "flows.cli", "check", tmp_path / "spec.yaml"], cwd=ROOT, stderr=terminal, check=False,
        env={**kept, "PREFECT_HOME": str(tmp_path / "prefect")},
    )  # fmt: skip
    assert done.returncode == 0
    assert not (tmp_path / "prefect" / ".sdk_telemetry").exists()


@pytest.mark.slow
@pytest.mark.parametrize("command", ["run", "deploy"])
def test_a_prefect_server_that_does_not_answer_is_told_without_a_traceback_and_with_exit_code_7(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    (tmp_path / "spec.yaml").write_text(yaml.safe_dump(SPEC))
    done = upkeep(command, tmp_path / "spec.yaml", "--json")
    assert done.returncode == 7, done.stderr
    assert "PREFECT_API_URL" in json.loads(done.stdout)["message"]
    assert "Traceback" not in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("url", [None, ""])
def test_a_deployment_without_a_server_is_refused_and_not_put_on_one_that_ends_with_the_command(
    url: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    if url is not None:
        monkeypatch.setenv("PREFECT_API_URL", url)
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "prefect"))
    (tmp_path / "spec.yaml").write_text(yaml.safe_dump(SPEC))
    done = upkeep("deploy", tmp_path / "spec.yaml")
    assert done.returncode == 2, done.stderr
    assert "PREFECT_API_URL is not set" in done.stderr and "prefect server start" in done.stderr


INTERRUPTS = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # who was started in the background ignores it
signal.raise_signal(signal.SIGINT)
"""


@pytest.mark.parametrize("imported", ["typer", "cryptography"])
def test_ctrl_c_ends_a_command_in_one_line_and_with_exit_code_130_also_while_it_imports(
    imported: str, tmp_path: Path
) -> None:
    (tmp_path / f"{imported}.py").write_text(INTERRUPTS)
    module, function = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]["upkeep"].split(":")
    done = subprocess.run(
        [sys.executable, "-c", f"from {module} import {function} as main; main()", "keygen", tmp_path / "keys"],
        capture_output=True, text=True, env=os.environ | {"PYTHONPATH": f"{tmp_path}:{ROOT}"},
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (130, "")
    assert done.stderr == "upkeep: interrupted; run it again, and it goes on where it was\n"


def test_a_command_ends_without_a_last_look_through_all_that_it_imported() -> None:
    code = ("import atexit, gc, sys; atexit.register(lambda: print(gc.get_freeze_count() > 0)); "
            "sys.argv[1:] = ['--version']; from flows.cli_entry import main; main()")  # fmt: skip
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.splitlines()[1:] == ["True"]


def test_prefects_pages_are_of_a_server_that_registers_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    served: dict[str, str] = {}
    for name in TEMPORARY:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(subprocess, "call", lambda _: served.update(os.environ) or 0)
    assert CliRunner().invoke(app, ["ui"]).exit_code == 0
    assert served and not [name for name in served if "BLOCK" in name]


def test_every_code_that_a_command_ends_with_is_in_the_readme_also_that_of_ctrl_c(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("flows.inspect.read_status", interrupt)
    interrupted = CliRunner().invoke(app, ["status", str(tmp_path / "spec.yaml")])
    kinds = [found for found in vars(errors).values() if isinstance(found, type) and issubclass(found, UpkeepError)]
    ends = {0, interrupted.exit_code, *EXITS.values(), *(kind.exit_code for kind in kinds)}
    told = re.findall(r"^\| (\d+) \| ", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert sorted(ends) == [int(code) for code in told] == [*range(8), 130]


def test_a_place_that_is_closed_to_the_user_is_told_without_a_traceback_and_with_exit_code_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "spec.yaml").write_text(yaml.safe_dump(SPEC))
    monkeypatch.setenv("UPKEEP_HOME", str(tmp_path / "spec.yaml" / "home"))
    done = upkeep("status", tmp_path / "spec.yaml")
    assert done.returncode == 2, done.stderr
    assert str(tmp_path / "spec.yaml" / "home") in done.stderr and "Not a directory" in done.stderr
    assert "Traceback" not in done.stderr
    denied = as_refusal(PermissionError(13, "Permission denied", "/etc/upkeep/.upkeep"))
    assert denied is not None and denied.exit_code == 2
    assert as_refusal(FileNotFoundError(2, "No such file", "/gone")) is None  # a bug
    assert as_refusal(RuntimeError("anything")) is None


@pytest.mark.parametrize(
    ("status", "told"),
    [(404, "no Prefect server answers at http://prefect:4200/work_pools/ (404): look at PREFECT_API_URL, which ends with /api"),
     (401, "refuses (401 at http://prefect:4200/work_pools/): look at PREFECT_API_AUTH_STRING"),
     (403, "refuses (403 at http://prefect:4200/work_pools/): look at PREFECT_API_AUTH_STRING"), (422, None), (500, None)],
)  # fmt: skip
def test_an_address_that_is_not_that_of_prefects_api_is_no_bug_and_a_request_that_it_cannot_read_is(
    status: int, told: str | None
) -> None:
    from prefect.exceptions import PrefectHTTPStatusError

    asked = httpx.Request("POST", "http://prefect:4200/work_pools/")
    refused = as_refusal(
        PrefectHTTPStatusError("no", request=asked, response=httpx.Response(status, request=asked))
    )  # fmt: skip
    assert (
        (refused is None) if told is None else (told in str(refused) and refused is not None and refused.exit_code == 7)
    )


@pytest.mark.parametrize(
    "problem", [httpx.ReadTimeout("slow"), RuntimeError("Failed to reach API at http://prefect:4200/api/")]
)
def test_a_prefect_server_that_does_not_answer_is_told_whichever_way_prefect_says_so(problem: Exception) -> None:
    told = as_refusal(problem)
    assert told is not None and told.exit_code == 7 and "PREFECT_API_URL" in str(told)


@pytest.mark.parametrize(
    "problem",
    [RuntimeError("Failed to reach API at me:hunter2@prefect/api/"), httpx.InvalidURL("Invalid port: 'hunter2'"),
     httpx.UnsupportedProtocol("Request URL has an unsupported protocol 'hunter2://'.")],
)  # fmt: skip
def test_an_address_of_prefect_s_server_that_is_none_is_told_as_that_and_not_repeated(problem: Exception) -> None:
    told = as_refusal(problem)
    assert told is not None and told.exit_code == 7 and "PREFECT_API_URL is no address" in str(told)
    assert "hunter2" not in str(told)


def test_a_disk_without_room_is_no_bug_whichever_file_it_was() -> None:
    """The rows of a small window are written when all are read: no source is being read any more."""
    with pytest.raises(OSError, match="No space left") as full, TableWriter(Path("/dev/full"), raw_schema(())) as table:
        table.add({"text": "x" * 100_000})
    told = as_refusal(full.value)
    assert told is not None and told.exit_code == 6 and "TMPDIR" in str(told)


@pytest.mark.parametrize(
    ("wrong", "named"),
    [(["keygen", "rows.csv"], "rows.csv"), (["init", "rows.csv", "--model", "m", "--spec", "rows.csv/s.yaml"], "rows.csv"),
     (["check", "x" * 300], "x" * 300), (["keygen", "/proc/nope"], "/proc/nope"),
     (["init", "rows.csv", "--model", "m", "--spec", "/proc/nope/s.yaml"], "/proc/nope")],
)  # fmt: skip
def test_a_place_where_nothing_can_be_and_a_name_that_no_disk_takes_are_told_without_a_traceback(
    wrong: list[str], named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("rows.csv").write_text("text,label\na b c,x\nd e f,y\n")
    done = CliRunner().invoke(app, wrong)
    assert isinstance(done.exception, Exception)
    told = as_refusal(done.exception)
    assert told is not None and told.exit_code == 2
    assert named in str(told) and "name another place" in str(told)


def test_a_replay_refuses_what_is_no_day_with_exit_code_2_before_it_opens_anything(tmp_path: Path) -> None:
    done = upkeep("replay", tmp_path / "spec.yaml", "--from", "yesterday")
    assert done.returncode == 2
    assert "--from 'yesterday' is no day; write it as YYYY-MM-DD" in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("which", ["", "@champion", "@1"])
@pytest.mark.parametrize("command", ["verify", "sign", "pull"])
def test_a_spec_below_a_folder_with_an_at_sign_is_found_with_and_without_a_version(
    home: Home, command: str, which: str
) -> None:
    (home.folder / "ada@example.org").mkdir()
    spec = home.spec.rename(home.folder / "ada@example.org" / "spec.yaml")
    done = CliRunner().invoke(
        app, [command, f"{spec}{which}", *([str(home.folder / "new")] if command == "pull" else [])]
    )
    assert ("version 1 does not exist" if which == "@1" else "nothing was released") in str(done.exception)


def test_a_version_that_is_no_number_is_refused_also_where_it_is_written_in_digits_of_another_kind(home: Home) -> None:
    done = CliRunner().invoke(app, ["pull", f"{home.spec}@²", str(home.folder / "new")])
    assert "'²' is neither a version's number nor the spec's alias" in str(done.exception)


@pytest.mark.parametrize("which", ["9" * 250, "9" * 5000, "a" * 300])
def test_a_version_of_more_letters_than_a_file_s_name_may_have_is_told_as_none_and_not_repeated(
    which: str, home: Home
) -> None:
    done = CliRunner().invoke(app, ["pull", f"{home.spec}@{which}", str(home.folder / "new")])
    assert f"({len(which):,} characters) is neither a version's number nor the spec's alias" in str(done.exception)
    assert which not in str(done.exception)


def test_a_dashboard_whose_port_is_taken_or_none_is_refused_with_exit_code_2_which_is_not_a_server_s(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("flows.dashboard.build_dashboard", lambda spec: Dashboard(tmp_path, 1, 0))
    monkeypatch.setattr("subprocess.call", lambda command: 3)  # uvicorn's, where it cannot bind
    taken = CliRunner().invoke(app, ["dashboard", str(tmp_path / "spec.yaml")])
    assert isinstance(taken.exception, SpecError) and "--port" in str(taken.exception)
    assert "1 run in the Evidently workspace" in taken.stdout
    assert CliRunner().invoke(app, ["dashboard", str(tmp_path / "spec.yaml"), "--port", "99999999"]).exit_code == 2


@pytest.mark.parametrize(
    ("command", "options"),
    [("dashboard", "--no-serve --port 9000"), ("gc", "--blobs-older-than never --reports-older-than 365d")],
)
def test_of_two_options_one_of_which_would_be_ignored_neither_is_taken(
    command: str, options: str, tmp_path: Path
) -> None:
    (tmp_path / "spec.yaml").write_text(yaml.safe_dump(SPEC))
    done = upkeep(command, tmp_path / "spec.yaml", *options.split())
    assert done.returncode == 2, done.stderr
    assert all(option in done.stderr for option in re.findall(r"--\S+", options))


def test_who_has_no_login_is_asked_for_a_name_to_rate_under_and_needs_none_to_hand_in_what_others_rated(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nobody() -> str:
        raise KeyError("getpwuid(): uid not found: 12345")

    monkeypatch.setattr("flows.cli_approval.getuser", nobody)
    asked = CliRunner().invoke(app, ["rate", str(home.spec)])
    assert "give one with --rater" in str(asked.exception)
    handed_in = CliRunner().invoke(app, ["rate", str(home.spec), "--take", "page.csv"])
    assert "no version waits for an answer" in str(handed_in.exception)


@pytest.mark.parametrize("command", ["promote", "rollback", "approve", "reject"])
def test_every_command_that_moves_or_answers_is_given_its_reason_by_one_word(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "spec.yaml").write_text(yaml.safe_dump(SPEC))
    given: list[str] = []

    def told(*_: object, why: str, **__: object) -> None:
        given.append(why)
        raise SystemExit(0)

    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")  # which nobody asks
    for flow in ("flows.promote.promote", "flows.rollback.rollback"):
        monkeypatch.setattr(flow, told)
    CliRunner().invoke(app, [command, str(tmp_path / "spec.yaml"), "--reason", "it is rude"])
    assert given == ["it is rude"]


@pytest.mark.parametrize("command", ["approve", "reject"])
def test_an_answer_without_a_reason_is_refused(command: str) -> None:
    done = CliRunner().invoke(app, [command, "spec.yaml", "--reason", " "])
    assert done.exit_code == 2
    assert "is empty; say why" in done.output


def test_status_before_the_first_release_names_the_command(home: Home) -> None:
    done = upkeep("status", home.spec)
    assert done.returncode == 0
    assert "upkeep bootstrap" in done.stdout


@pytest.mark.parametrize(
    ("outcome", "code"),
    [(Outcome.WAITING, 0), (Outcome.HELD, 0), (Outcome.WOULD_RETRAIN, 0), (Outcome.RELEASED, 0), (Outcome.ALERTED, 3),
     (Outcome.PUBLISHED, 3), (Outcome.REJECTED, 4), (Outcome.INSUFFICIENT, 4)],
)  # fmt: skip
def test_what_came_of_a_run_or_of_a_look_is_its_exit_code_also_where_another_process_finished_it(
    outcome: Outcome, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "spec.yaml").write_text(yaml.safe_dump(SPEC))
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")  # which nobody asks
    by_another = Handled(model="test", window_digest="0" * 64, run_id="r", outcome=outcome, headline="Done.")
    for report in (report_of(outcome), by_another):
        ended = Ended(report=report, pages=None)
        for command, flow in (("run", "flows.maintain.maintain"), ("monitor", "flows.monitor.monitor")):
            monkeypatch.setattr(flow, lambda *given, ended=ended, **options: ended)
            for form in ([], ["--json"]):
                done = CliRunner().invoke(app, [command, str(tmp_path / "spec.yaml"), *form])
                assert (done.exit_code, bool(done.stdout)) == (code, True), (command, report)


@pytest.mark.slow
def test_a_look_that_only_a_person_can_answer_ends_with_exit_code_3_and_the_next_with_0(home: Home) -> None:
    from flows.bootstrap import bootstrap

    home.receive("day-0", sentences(600))
    bootstrap(home.spec)
    home.receive("day-1", moved(600, start=2000).assign(label=""))
    done = CliRunner().invoke(app, ["monitor", str(home.spec)])
    assert (done.exit_code, "decision  ALERT" in done.stdout) == (3, True), done.output
    again = CliRunner().invoke(app, ["monitor", str(home.spec)])  # that window is done, and nothing is new
    assert again.exit_code == 0


@pytest.mark.slow
def test_a_spec_that_init_wrote_for_an_unknown_file_bootstraps_and_runs_and_its_report_is_safe_html(home: Home) -> None:
    from flows.bootstrap import bootstrap
    from flows.maintain import maintain

    rows = sentences(600).rename(columns={"text": "review", "label": "opinion"})
    rows.to_csv(home.folder / "mine.csv", index=False)
    spec = home.folder / "own.yaml"
    assert upkeep("init", home.folder / "mine.csv", "--model", "model", "--spec", spec).returncode == 0
    tiny = {"training": {"epochs": 8, "learning_rate": 0.005, "threads": 1}, "validation": {"near_duplicates": None}}
    spec.write_text(yaml.safe_dump({**load_yaml(spec.read_text()), **tiny}))
    assert upkeep("check", spec).returncode == 0
    first = bootstrap(spec)
    assert isinstance(first.report, BootstrapReport)
    more = moved(300, start=2000).rename(columns={"text": "review", "label": "opinion"})
    more.loc[0, "opinion"] = "<script>alert(1)</script>"
    more.to_csv(home.folder / "mine.csv", mode="a", header=False, index=False)
    second = maintain(spec)
    assert isinstance(second.report, RunReport)
    assert second.report.observation is not None
    assert second.report.observation.validation.read == 300
    assert second.pages is not None
    page = Path(second.pages.local_html)
    assert second.report.headline.split(":")[0] in page.read_text()
    assert "<script>alert" not in page.read_text()
    assert "&lt;script&gt;alert" in page.read_text()
    assert (page.parent / "evidently.html").stat().st_size > 100_000
    listed = json.loads(upkeep("history", spec, "--json").stdout)
    assert [e["kind"] for e in listed] == ["maintain", "bootstrap"]


def test_labels_that_nobody_asked_for_are_refused_with_exit_code_5(home: Home) -> None:
    sheet = home.folder / "filled.csv"
    sheet.write_text(f"content,label\nc{'0' * 32},positive\n")
    done = upkeep("label", home.spec, sheet, "--json")
    assert done.returncode == 5
    assert "line 2" in json.loads(done.stdout)["message"]
