"""Claim: a release reaches the store, and comes back, at least as fast as by the usual tools, although each of its bytes
is hashed on the way; and what did not change is not sent again.

What is published is a candidate; that a release copies it once more, into a version's own folder, is measured and added in a
bar of its own.

A release of 500 MB in 11 files, on the demo's server (SeaweedFS, on this machine: it shares the cores), or on the one that
UPKEEP_BENCH_SERVER names (Ceph, JuiceFS, ministack, moto): what a copy costs is the server's. Beside it boto3 with its
defaults, file by file, and `aws s3 cp --recursive`, which verify no SHA-256. All ways take turns in each round, so that what
else the machine does meets all of them. The `aws` binary is the one on the path, or UPKEEP_BENCH_AWS; its
botocore is pinned, so install it into an environment of its own (`pip install awscli`); without it, its rows are left
out. What `aws --version` takes is subtracted from its times: a command starts, a library does not.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.results import Bar, Findings, Options, Table, main
from benchmarks.scratch import scratch_folder
from benchmarks.servers import SEAWEED, chosen, serving
from benchmarks.transferring import AWS, BOTO3, CHANGED, PUBLISH, PULL, RELEASE, SAME, UPKEEP, Moved

LARGE_MB, MIDDLE_MB = 480, 18
AFTERWARDS = 0.05
Found = dict[tuple[str, str], list[Moved]]


def measure_transfer(options: Options) -> Findings:
    server = chosen()
    aws = os.environ.get("UPKEEP_BENCH_AWS") or shutil.which("aws")
    found: Found = {}
    with scratch_folder() as name, serving(server, Path(name, "store")) as served:
        folder = write_release(Path(name, "release"), LARGE_MB // 10 if options.quick else LARGE_MB)
        address = {**served, "cache": f"{name}/cache"}
        started = _started(aws) if aws else 0.0
        ways = [UPKEEP, BOTO3, *([AWS] if aws else [])]
        for number in range(options.runs + 1):  # the first warms the server up, and is not counted
            turn = number % len(ways)
            for way in ways[turn:] + ways[:turn]:
                for what, moved in _round(way, address, f"round-{number}/{ways.index(way)}/", folder, aws, started):
                    if number:
                        found.setdefault((way, what), []).append(moved)
    return Findings(
        question="How fast does a release reach the store, and come back?",
        tables=(_table(found, server),), bars=() if options.quick else _bars(found),
        notes=("Upkeep's times include SHA-256 of every byte, both ways, and, on the demo's server, that what it wrote is "
               f"forced to the disk; starting `aws` ({started:.2f} s) is subtracted",
               f"{server} copies an object on the same cores; AWS does it elsewhere"),
    )  # fmt: skip


def write_release(folder: Path, large_mb: int) -> Path:
    """Eleven files as a model has them: weights, a tokenizer, and small ones. Their bytes do not compress."""
    import numpy as np
    from safetensors.numpy import save_file

    folder.mkdir()
    draw = np.random.default_rng(1)
    save_file({"weights": draw.integers(0, 256, large_mb << 20, dtype=np.uint8)}, folder / "model.safetensors")
    (folder / "tokenizer.json").write_text(json.dumps({"x": draw.bytes(MIDDLE_MB << 19).hex()}))
    for name in ("config", "generation_config", "tokenizer_config", "special_tokens_map", "added_tokens", "training",
                 "preprocessor_config"):  # fmt: skip
        (folder / f"{name}.json").write_text(json.dumps({"x": draw.bytes(500).hex()}))
    for name in ("vocab", "merges"):
        (folder / f"{name}.txt").write_text(draw.bytes(200_000).hex())
    return folder


def _round(
    way: str, address: dict[str, Any], prefix: str, folder: Path, aws: str | None, started: float
) -> list[tuple[str, Moved]]:
    pulled = folder.parent / "pulled"
    try:
        if way == AWS:
            place = f"s3://{address['bucket']}/{prefix}release/"
            up, down = ((str(folder), place), (place, str(pulled)))
            return [(PUBLISH, _with_aws(str(aws), address, *up, started)),
                    (PULL, _with_aws(str(aws), address, *down, started))]  # fmt: skip
        published = list(_in_a_process(way, PUBLISH, address, prefix, folder).items())
        return published + list(_in_a_process(way, PULL, address, prefix, folder).items())
    finally:
        shutil.rmtree(pulled, ignore_errors=True)


def _in_a_process(way: str, what: str, address: dict[str, Any], prefix: str, folder: Path) -> dict[str, Moved]:
    command = [sys.executable, "-m", "benchmarks.transferring", way, what, json.dumps(address), prefix, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{way}, {what} ended with {done.returncode}: {done.stderr[-2000:]}")
    return {name: Moved(**moved) for name, moved in json.loads(done.stdout.splitlines()[-1]).items()}


def _with_aws(aws: str, address: dict[str, Any], source: str, target: str, started: float) -> Moved:
    environment = {**os.environ, "AWS_ACCESS_KEY_ID": address["access_key"], "AWS_DEFAULT_REGION": address["region"],
                   "AWS_SECRET_ACCESS_KEY": address["secret_key"]}  # fmt: skip
    options = ["--recursive", "--only-show-errors", "--endpoint-url", address["endpoint_url"]]
    command = [aws, "s3", "cp", *options, source, target]
    began = time.perf_counter()
    child = subprocess.Popen(command, env=environment)
    _, status, used = os.wait4(child.pid, 0)
    wall = time.perf_counter() - began
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise RuntimeError(f"aws s3 cp ended with {child.returncode}")
    return Moved(wall=wall - started, cpu=used.ru_utime + used.ru_stime, sent=0, memory=used.ru_maxrss / 1024)


def _started(aws: str) -> float:
    def once() -> float:
        began = time.perf_counter()
        subprocess.run([aws, "--version"], check=True, capture_output=True)
        return time.perf_counter() - began

    return statistics.median(once() for _ in range(3))


def _table(found: Found, server: str) -> Table:
    rows = []
    for (way, what), moved in sorted(
        found.items(), key=lambda item: [PUBLISH, RELEASE, PULL, SAME, CHANGED].index(item[0][1])
    ):
        rows.append((what, way, f"{_median(found, way, what):.2f}", f"{min(m.wall for m in moved):.2f}",
                     f"{_ratio(found, way, what):.2f}", f"{statistics.median(m.cpu for m in moved):.1f}",
                     f"{max(m.memory for m in moved):.0f}{' in all' if way == AWS else ''}"))  # fmt: skip
    return Table(
        title=f"500 MB in 11 files, on a {server} of the same machine",
        says="Medians. The ratio is the median over the rounds of the time beside another tool's in the same round, of the "
             "tool that is hardest to beat (for what follows on a first publishing: beside that). Memory: the most that "
             "the work added.",
        columns=("what", "with", "seconds", "fastest", "ratio", "CPU-s", "MiB"), rows=tuple(rows),
    )  # fmt: skip


def _median(found: Found, way: str, what: str) -> float:
    return statistics.median(moved.wall for moved in found[way, what])


def _ratio(found: Found, way: str, what: str) -> float:
    """Beside the tool that is hardest to beat: of each round's own times, since rounds differ by what else the machine
    does. Never beside the fastest of a round, which of three equal tools each would miss two times in three. 1 where
    there is nobody else."""
    own = found[way, what]
    first = what in {PUBLISH, PULL}
    others = [m for (w, t), m in found.items() if w != way and t == what] if first else [found[way, PUBLISH]]
    return max(
        (statistics.median(o.wall / t.wall for o, t in zip(own, other, strict=True)) for other in others), default=1.0
    )


def _bars(found: Found) -> tuple[Bar, ...]:
    same, changed = (_ratio(found, UPKEEP, what) for what in (SAME, CHANGED))
    sent = statistics.median(moved.sent for moved in found[UPKEEP, CHANGED])
    whole = statistics.median(moved.sent for moved in found[UPKEEP, PUBLISH])
    return (
        *_bars_beside_others(found),
        Bar(promise=f"publishing weights that did not change, with another config, takes under {AFTERWARDS:.0%} of the first",
            measured=f"{changed:.1%} of the time, {sent / whole:.2%} of the bytes", met=changed < AFTERWARDS),
        Bar(promise=f"publishing the same files again takes under {AFTERWARDS:.0%} of the first",
            measured=f"{same:.2%} of the time", met=same < AFTERWARDS),
    )  # fmt: skip


def _bars_beside_others(found: Found) -> tuple[Bar, ...]:
    publish, pull = (_ratio(found, UPKEEP, what) for what in (PUBLISH, PULL))
    rounds = zip(found[UPKEEP, PUBLISH], found[UPKEEP, RELEASE], strict=True)
    both = [replace(sent, wall=sent.wall + copied.wall) for sent, copied in rounds]
    released = _ratio({**found, (UPKEEP, PUBLISH): both}, UPKEEP, PUBLISH)
    return (
        Bar(promise="publishing, with its hashes, is at least as fast as the fastest of the others",
            measured=f"{publish:.2f} of its time", met=publish <= 1),
        Bar(promise="the same with the copy into a version's own folder, which the others do not make",
            measured=f"{released:.2f} of its time", met=released <= 1),
        Bar(promise="pulling, with verification, is at least as fast as the fastest of the others",
            measured=f"{pull:.2f} of its time", met=pull <= 1),
    )  # fmt: skip


if __name__ == "__main__":
    name = chosen()
    main("transfer" if name == SEAWEED else f"transfer-{name}", measure_transfer, runs=5, quick=1)
