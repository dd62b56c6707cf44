"""What of a spec fits which kind of model: labels, what is written, metrics and gates. Each refusal says the way out."""

from typing import TYPE_CHECKING

from models.gate_kinds import COMPARING, Agrees, AtLeast, AtMost, LatencyWithin, NoCollapse
from models.generation import Generation
from models.label_sets import BETWEEN
from models.measures import CLASSIFICATION, METRICS, WRITING

if TYPE_CHECKING:
    from models.spec import ModelSpec


def refuse_unfit(spec: "ModelSpec") -> None:
    """Raises ValueError, which pydantic makes part of its own."""
    (_refuse_writing if spec.task in WRITING else _refuse_labels)(spec)
    if spec.model.hosted:
        _refuse_hosted(spec)
    _refuse_prompt(spec)
    _refuse_evaluation(spec)
    _refuse_variants(spec)
    for gate in spec.gates:
        if not isinstance(gate, LatencyWithin | Agrees):
            _refuse_metric(gate.name, gate.metric or spec.kind.metrics[0], gate, spec)


def _refuse_labels(spec: "ModelSpec") -> None:
    if not spec.labels:
        raise ValueError(
            "labels: missing; name all labels that the classifier chooses between, in the order of its outputs"
        )
    twice = sorted({label for label in spec.labels if spec.labels.count(label) > 1})
    if twice:
        raise ValueError(f"labels: {twice[0]!r} is listed twice")
    in_lists = spec.labels_per_row == "many"  # a JSON list says a label as it is
    lost = next(
        (label for label in spec.labels if not label.strip() or (label != label.strip() and not in_lists)), None
    )
    if lost is not None:
        raise ValueError(f"labels: {lost!r} would never be met: white space around a row's label is dropped, and an empty one "
                         "says that its label is not known. Write it without, or rename it")  # fmt: skip
    if spec.labels_per_row == "many":
        _refuse_several(spec)
    if spec.generation.max_new_tokens:
        raise ValueError(f"generation.max_new_tokens: {spec.generation.max_new_tokens}, and a classifier writes nothing; "
                         "drop `generation`")  # fmt: skip


def _refuse_several(spec: "ModelSpec") -> None:
    if spec.task != CLASSIFICATION:
        raise ValueError(f"labels_per_row: many, and task: {spec.task} gives each row one label; write one")
    wrong = next((label for label in spec.labels if BETWEEN in label or label.startswith("[")), None)
    if wrong is not None:
        raise ValueError(f"labels: {wrong!r} cannot be told apart from several labels, which are written a|b or as a JSON "
                         "list; rename it")  # fmt: skip
    if spec.training.sampling == "balanced":
        raise ValueError("training.sampling: balanced draws rows of one label each, and labels_per_row is many: a row cannot be "
                         "drawn for one of its labels alone; write class_weights: balanced, or drop it")  # fmt: skip


def _refuse_writing(spec: "ModelSpec") -> None:
    if spec.labels_per_row == "many":
        raise ValueError(f"labels_per_row: many is a classifier's; with task: {spec.task} drop it")
    if spec.labels:
        raise ValueError(f"labels: {list(spec.labels[:3])} are a classifier's; with task: {spec.task} drop `labels`, and name "
                         "the column of the texts that were to be written in columns.label")  # fmt: skip
    if spec.task != "causal-lm" and not spec.columns.label:
        raise ValueError(f"columns.label: missing; task: {spec.task} learns from texts that were to be written, and is "
                         "judged by them")  # fmt: skip
    if spec.task != "causal-lm" and not spec.kind.writes:
        raise ValueError(f"generation.max_new_tokens: 0, and task: {spec.task} is judged by what it writes; write 64")
    if spec.release.approval and not spec.kind.writes:
        raise ValueError("release.approval: a person is shown what both models write, and generation.max_new_tokens is 0; "
                         "write 32, or drop `approval`")  # fmt: skip
    for field, told in (("class_weights", spec.training.class_weights), ("sampling", spec.training.sampling)):
        if told == "balanced":
            raise ValueError(
                f"training.{field}: balanced is a classifier's, and task: {spec.task} has no classes; drop it"
            )
    if spec.training.method == "head":
        raise ValueError("training.method: head trains the output layer alone, which is the vocabulary of a model that "
                         "writes; write full or lora")  # fmt: skip


def _refuse_hosted(spec: "ModelSpec") -> None:
    if spec.task not in WRITING:
        raise ValueError(f"model.hosted: a model behind an API writes; task: {spec.task} has no adapter for it. Write "
                         f"{', '.join(sorted(WRITING))}")  # fmt: skip
    if not spec.columns.label or not spec.kind.writes:
        raise ValueError("columns.label: a hosted model's losses cannot be seen, so it is judged by what it writes: name the "
                         "column of the texts that were to be written, and a generation.max_new_tokens above 0")  # fmt: skip
    if spec.generation.beams > 1:
        raise ValueError(f"generation.beams: {spec.generation.beams}; an API has no beam search, write 1")
    if spec.training.method != "full" or spec.training.processes > 1 or spec.training.frozen_layers:
        raise ValueError("training: method, frozen_layers and processes say how weights are trained on this machine; those of "
                         "a hosted model are trained by its API. Drop them")  # fmt: skip


def _refuse_prompt(spec: "ModelSpec") -> None:
    """One that no model would be asked with."""
    if spec.task == CLASSIFICATION:
        why = "a classifier reads a row's text as it is; drop it, and write what belongs to a text into the rows"
    elif spec.kind.truth == "text":
        why = (
            "without columns.label a causal-lm learns a row's text as it is; drop it, or name the column of the answers"
        )
    else:
        return
    for field in ("prompt", "chat"):
        if (told := getattr(spec.generation, field)) != getattr(Generation(), field):
            raise ValueError(f"generation.{field}: {told!r} would do nothing: {why}")


def _refuse_evaluation(spec: "ModelSpec") -> None:
    wanted = spec.evaluation
    if wanted.entailment_model and spec.task != "summarization":
        raise ValueError(f"evaluation.entailment_model: faithfulness is of summaries, and task is {spec.task}; drop it")
    if wanted.judge and not (spec.task in WRITING and spec.columns.label and spec.kind.writes):
        raise ValueError(f"evaluation.judge: a judge compares what models write, and task: {spec.task} with columns.label: "
                         f"{spec.columns.label} and generation.max_new_tokens: {spec.kind.generation.max_new_tokens} writes no "
                         "answers that are judged; drop it")  # fmt: skip


def _refuse_variants(spec: "ModelSpec") -> None:
    """What nobody judges is not released, and what is not there cannot be judged."""
    if spec.variants:
        _refuse_forms(spec)
    asking = [gate for gate in spec.gates if isinstance(gate, Agrees)]
    for gate in asking:
        if not spec.variants or gate.variant not in {None, *spec.variants}:
            raise ValueError(f"gates: {gate.name} asks whether {gate.variant or 'variants'} agree with the full weights, and "
                             f"variants is {list(spec.variants)}; name it there, or drop the gate")  # fmt: skip
    judged = {name for gate in asking for name in ([gate.variant] if gate.variant else spec.variants)}
    unjudged = next((name for name in spec.variants if name not in judged), None)
    if unjudged:
        raise ValueError(f"variants: {unjudged} is judged by no gate, and nothing is released unjudged; add "
                         "`- kind: agrees` to gates (with mode: off to release it all the same)")  # fmt: skip


def _refuse_forms(spec: "ModelSpec") -> None:
    named = f"variants: {', '.join(spec.variants)}"
    if len(set(spec.variants)) < len(spec.variants):
        raise ValueError(f"{named}: one is listed twice")
    if spec.model.hosted:
        raise ValueError(f"{named} are other forms of a model's weights, and those of a hosted model are behind its API; "
                         "drop `variants`")  # fmt: skip
    if spec.task != CLASSIFICATION:
        why = ("writes token by token, which these do not" if spec.task in WRITING else
               "is an adapter of your own, whose inputs only it knows")  # fmt: skip
        raise ValueError(f"{named} are made of task: {CLASSIFICATION}; task: {spec.task} {why}; drop `variants`")


def _refuse_metric(name: str, metric: str, gate: object, spec: "ModelSpec") -> None:
    known = spec.metrics
    if metric not in known:
        raise ValueError(f"gates: {name} asks for {metric}, which is not measured of task: {spec.task}"
                         f"{_unless_asked_for(metric, spec)}; measured: {', '.join(known)}")  # fmt: skip
    better = METRICS[metric].better
    if isinstance(gate, COMPARING) and better == "neither":
        raise ValueError(f"gates: {name} asks which model is better by {metric}, of which neither more nor less is; "
                         "use at_least and at_most")  # fmt: skip
    if isinstance(gate, NoCollapse) and metric != known[0]:
        raise ValueError(f"gates: {name} asks for {metric} per slice; slices are measured by {known[0]}")
    if metric == "win_rate" and getattr(gate, "on", "current") != "current":
        raise ValueError(f"gates: {name} asks for win_rate on reference; a judge compares answers to the new rows, write "
                         "on: current")  # fmt: skip
    wrong = (isinstance(gate, AtMost) and better == "more") or (isinstance(gate, AtLeast) and better == "less")
    if wrong:
        right = "at_least" if better == "more" else "at_most"
        raise ValueError(f"gates: {name} is a bound on the wrong side, since {better} {metric} is better; use {right}")
    if isinstance(gate, AtLeast | AtMost) and METRICS[metric].is_share and gate.value > 1:
        passes = "never" if isinstance(gate, AtLeast) else "always"
        raise ValueError(f"gates: {name} bounds {metric} by {gate.value:g}, which would {passes} hold, since {metric} is a share "
                         f"and 1 at most; of {gate.value:g} % write {gate.value / 100:g}")  # fmt: skip


def _unless_asked_for(metric: str, spec: "ModelSpec") -> str:
    by = {"faithfulness": "evaluation.entailment_model", "win_rate": "evaluation.judge"}
    if metric in by:
        return f" without {by[metric]}"
    if spec.task == "text-classification" and metric == "micro_f1":
        return " with one label a row, where it is the same number as accuracy: write that"
    written = spec.task == "causal-lm" and metric in {"repetition", "distinct_2"}
    return " unless it writes (generation.max_new_tokens)" if written else ""
