"""Fine-tuning by an API's own jobs (/files, /fine_tuning/jobs). The rows are uploaded to its server.

What was begun is kept beside the checkpoints' place, so that a run that is killed waits for its job and begins no other.
"""

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from errors import OverBudget
from models.adapter import Advance, Examples, Trained
from models.api import Api, NotThere
from models.contracts import Budget, Cost, Stopped
from models.hosting import Pinned
from models.metering import Meter
from models.recipe import Training

FILES, JOBS = "/files", "/fine_tuning/jobs"
POLL_SECONDS = 20.0
NEW_SECONDS = 600.0
"""So young a job that is not found may not be known everywhere yet; another one would be paid for."""
THOUSANDTHS = 1000
"""What the bar of a training counts."""


class Tuning:
    """One fine-tuning; `begun` says of which model and with which prompt."""

    def __init__(
        self, api: Api, begun: Pinned, *, training: Training, seed: int, work: Path, budget: Budget
    ) -> None:  # fmt: skip
        self.api, self.begun, self.training, self.seed = api, begun, training, seed
        self.work, self.budget, self.file = work, budget, work / "job.json"

    def run(self, train: Examples, validation: Examples, *, advance: Advance) -> tuple[str, Trained]:
        """The id of the model that came of it. Raises OverBudget at the cap; the job goes on meanwhile."""
        self.work.mkdir(parents=True, exist_ok=True)
        with Meter(self.work / "seconds", at_least=60 * self.budget.spent) as meter:
            job = self._job(train, validation)
            done = self._await(job, meter)
            seconds = meter.seconds
        advance(THOUSANDTHS)
        model = done.get("fine_tuned_model")
        if done.get("status") != "succeeded" or not isinstance(model, str) or not model:
            self.file.unlink()
            raise self.api.failed(JOBS, f"job {job} ended as {done.get('status')!r}{self.api.told(done)}", "Mend what it names and run "
                                  "again: another job is then begun")  # fmt: skip
        cost = Cost(seconds=seconds, cpu_seconds=0, peak_memory_mb=0, device=self.api.url, steps=0,
                    epochs=_epochs(self.training), stopped=f"job {job} of the API succeeded", resumed_from_step=0)  # fmt: skip
        return model, Trained(cost, (), f"fine-tuned by the API from {self.begun.model}")

    def _job(self, train: Examples, validation: Examples) -> str:
        if self.file.is_file():
            return str(json.loads(self.file.read_text(encoding="utf-8"))["id"])
        files = {name: self._upload(name, examples) for name, examples in
                 (("training_file", train), ("validation_file", validation))}  # fmt: skip
        wanted = {"model": self.begun.model, **files, "seed": self.seed, "suffix": "upkeep",
                  "hyperparameters": {"n_epochs": _epochs(self.training)}}  # fmt: skip
        job = _id(self._asked("POST", JOBS, only_once=True, json=wanted), JOBS, self.api)
        written = self.file.with_suffix(".part")
        written.write_text(json.dumps({"id": job}), encoding="utf-8")
        written.replace(self.file)
        return job

    def _upload(self, name: str, examples: Examples) -> str:
        lines = "".join(
            f"{json.dumps(self._lesson(t, a))}\n" for t, a in zip(examples.texts, examples.labels, strict=True)
        )
        file = {"file": (f"{name}.jsonl", lines.encode(), "application/jsonl")}
        return _id(self._asked("POST", FILES, data={"purpose": "fine-tune"}, files=file), FILES, self.api)

    def _lesson(self, text: str, answer: str) -> dict[str, Any]:
        return {
            "messages": [{"role": "user", "content": self.begun.ask(text)}, {"role": "assistant", "content": answer}]
        }

    def _await(self, job: str, meter: Meter) -> Mapping[str, Any]:
        while True:
            try:
                found = self._asked("GET", f"{JOBS}/{job}")
            except NotThere:
                if time.time() - self.file.stat().st_mtime < NEW_SECONDS:
                    raise
                self.file.unlink()
                raise self.api.failed(
                    JOBS, f"job {job} is not there any more", "Run again: another job is then begun"
                ) from None
            if found.get("status") in {"succeeded", "failed", "cancelled"}:
                return found
            if self.budget.cap is not None and meter.seconds >= 60 * self.budget.cap:
                raise self._over(job, meter.seconds / 60)
            time.sleep(POLL_SECONDS)

    def _over(self, job: str, minutes: float) -> OverBudget:
        return OverBudget(Stopped(
            settings=self.training.digest, step=0, steps=0, minutes=minutes, cap=self.budget.cap or 0.0,
            limit=self.budget.limit, checkpoint=f"job {job}, which the API goes on with",
        ))  # fmt: skip

    def _asked(self, method: str, path: str, **content: Any) -> Mapping[str, Any]:
        reply = self.api.request(method, path, **content)
        if reply.problem:
            raise self.api.failed(path, reply.problem, "Run again: a job that was begun is waited for")
        return reply.body


def _epochs(training: Training) -> int:
    return max(1, round(training.epochs))


def _id(body: Mapping[str, Any], path: str, api: Api) -> str:
    found = body.get("id")
    if not isinstance(found, str) or not found:
        raise api.failed(
            path, "what came has no id", "It may not offer fine-tuning: write model.hosted.fine_tunes: false"
        )
    return found
