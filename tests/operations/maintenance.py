"""A run of `maintain`, and the training that it has sent away, as a person who kills processes sees them."""

import json
import logging
from typing import Any
from uuid import UUID

import psutil
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId, LogFilter, LogFilterFlowRunId, LogFilterLevel
from prefect.client.schemas.objects import TaskRun

from tests.flows.conftest import moved
from tests.operations.conftest import Model, Operated
from tests.tiny import sentences

LONG = {"epochs": 60, "learning_rate": 0.005, "threads": 1, "patience": 100, "evaluations": 30}
"""Some twenty seconds, with a checkpoint every second or so."""


class Maintenance:
    """A model whose drift a run of `maintain` is to see."""

    def __init__(self, operated: Operated, name: str, **settings: Any) -> None:
        self.operated, self.model = operated, Model(operated, name, sentences(600), **settings)
        self.model.receive("day-1", moved(600, start=2000))
        self.run = operated.ask(f"maintain/{name}")

    def reaches(self, task: str) -> None:
        """Waits until a task of the run has begun."""
        self.operated.until(f"{task} begins", lambda: any(t.name.startswith(task) for t in self.tasks()))

    def tasks(self) -> list[TaskRun]:
        mine = FlowRunFilter(id=FlowRunFilterId(any_=[self.run]))
        return self.operated.prefect.read_task_runs(flow_run_filter=mine)

    def finishes(self) -> dict[str, object]:
        """The run completes, with one release and one training; answers with what the training cost."""
        self.operated.until("the run completes", self.has_completed)
        history = json.loads(self.model.upkeep("history", "--json"))
        assert [entry["outcome"] for entry in history] == ["released", "bootstrapped"], self.story()
        assert "all fit" in self.model.upkeep("audit")
        self.no_slot_is_taken()
        (cost,) = [attempt["candidate"]["cost"] for attempt in self.attempts()]
        return dict(cost)

    def finishes_once(self) -> bool:
        """After it was taken up, with one training."""
        self.finishes()
        tries, trainings = self.operated.read(self.run).run_count, self.operated.runs(f"retrain/{self.model.name}")
        return (tries, len(trainings)) == (2, 1)

    def has_completed(self) -> bool:
        """Crashed is not the end: an automation takes the run up."""
        state = self.operated.read(self.run).state
        return bool(state and state.is_completed())

    def story(self) -> str:
        """Every state that the run has been in, for a person who looks for why it went another way."""
        states = self.operated.prefect.read_flow_run_states(self.run)
        return "\n".join([*(f"{s.timestamp:%H:%M:%S} {s.name}: {s.message}" for s in states), self.operated.logs()])

    def warnings(self) -> list[str]:
        """What a person reads on the run's page."""
        wanted = LogFilter(
            flow_run_id=LogFilterFlowRunId(any_=[self.run]), level=LogFilterLevel(ge_=logging.WARNING, le_=None)
        )
        return [log.message for log in self.operated.prefect.read_logs(wanted)]

    def attempts(self) -> list[dict[str, dict[str, dict[str, object]]]]:
        found = (self.model.folder / ".upkeep/reports").glob("*/report.json")
        reports = [json.loads(path.read_text()) for path in found]
        return [report["attempt"] for report in reports if report.get("attempt")]

    def no_slot_is_taken(self) -> None:
        runs = self.operated.prefect.read_flow_runs(limit=200)
        running = [r for r in runs if r.state and (r.state.is_running() or r.state.is_pending())]
        assert [run.name for run in running] == []


class Training(Maintenance):
    """One that has sent a training to the GPU pool, which has written checkpoints."""

    def __init__(self, operated: Operated, name: str) -> None:
        super().__init__(operated, name, training=LONG)
        operated.until("the training begins", lambda: operated.runs(f"retrain/{name}"))
        operated.until("there are checkpoints", lambda: len(self.checkpoints()) >= 2)
        self.training: UUID = operated.runs(f"retrain/{name}")[0].id

    def checkpoints(self) -> list[int]:
        found = (self.model.folder / ".upkeep/work").glob("training-*/checkpoint-*")
        return sorted(int(path.name.split("-")[1]) for path in found)

    def processes(self) -> list[psutil.Process]:
        """Of the run, of the training, and of the workers, which come first: they would report the death of what they started."""
        workers = [psutil.Process(self.operated.processes[name].pid) for name in ("worker-cpu", "worker-gpu")]
        return [*workers, *(self.operated.process_of(run) for run in (self.run, self.training))]
