"""A worker of `infra/kubernetes/upkeep.yaml` against an API that grants what the file's role grants, and nothing else."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
OBJECTS: list[dict[str, Any]] = list(yaml.safe_load_all((ROOT / "infra/kubernetes/upkeep.yaml").read_text()))
NAMESPACE = "models"
VERBS = ["get", "list", "watch", "create", "patch", "delete"]
KNOWN = {"": {"pods": "Pod", "events": "Event", "namespaces": "Namespace"}, "batch": {"jobs": "Job"}}
PATIENCE = 60.0
WATCHING = """
from unittest.mock import AsyncMock, MagicMock
from prefect_kubernetes import observer
observer.get_client = observer.get_events_client = lambda: MagicMock(__aenter__=AsyncMock(), __aexit__=AsyncMock())
observer.start_observer()
observer._observer_thread.join()
"""
"""What a worker starts beside its polling, without a Prefect server to tell."""


def discovered(path: str) -> dict[str, Any] | None:
    batch = {"groupVersion": "batch/v1", "version": "v1"}
    groups = [{"name": "batch", "versions": [batch], "preferredVersion": batch}]
    resources = {
        group: [
            {"name": name, "singularName": "", "namespaced": name != "namespaces", "kind": kind, "verbs": VERBS}
            for name, kind in kinds.items()
        ]
        for group, kinds in KNOWN.items()
    }
    return {
        "/api": {"versions": ["v1"]},
        "/apis": {"groups": groups},
        "/api/v1": {"groupVersion": "v1", "resources": resources[""]},
        "/apis/batch/v1": {"groupVersion": "batch/v1", "resources": resources["batch"]},
    }.get(path)


def asked(path: str, *, watch: bool) -> dict[str, str]:
    parts = path.strip("/").split("/")
    group, rest = ("", parts[2:]) if parts[0] == "api" else (parts[1], parts[3:])
    namespace, rest = (rest[1], rest[2:]) if rest[0] == "namespaces" and len(rest) > 2 else ("every namespace", rest)
    verb = "watch" if watch else "list" if len(rest) == 1 else "get"
    return {"verb": verb, "group": group, "resource": rest[0], "namespace": namespace}


def granted(request: dict[str, str]) -> bool:
    rules = next(o for o in OBJECTS if o["kind"] == "Role")["rules"]
    return request["namespace"] == NAMESPACE and any(
        request["group"] in r["apiGroups"] and request["resource"] in r["resources"] and request["verb"] in r["verbs"]
        for r in rules
    )


@contextmanager
def cluster(asks: list[dict[str, str]]) -> Iterator[str]:
    class Api(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            url = urlsplit(self.path)
            if (found := discovered(url.path)) is not None:
                return self.answer(200, found)
            asks.append(request := asked(url.path, watch="watch" in parse_qs(url.query)))
            if not granted(request):
                return self.answer(403, {"kind": "Status", "status": "Failure", "reason": "Forbidden", "code": 403})
            return self.answer(200, {"metadata": {"resourceVersion": "1"}, "items": []})

        def answer(self, status: int, found: dict[str, Any]) -> None:
            body = json.dumps(found).encode() if "watch=true" not in self.path or status != 200 else b""
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Api)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def kubeconfig(folder: Path, url: str) -> Path:
    told = {
        "apiVersion": "v1", "kind": "Config", "current-context": "it",
        "clusters": [{"name": "it", "cluster": {"server": url}}], "users": [{"name": "it", "user": {"token": "t"}}],
        "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it", "namespace": NAMESPACE}}],
    }  # fmt: skip
    (folder / "kubeconfig").write_text(yaml.safe_dump(told))
    return folder / "kubeconfig"


def environment(worker: str) -> dict[str, str]:
    """What Kubernetes gives the worker's container, in the namespace into which the file was applied."""
    deployment = next(o for o in OBJECTS if o["kind"] == "Deployment" and o["metadata"]["name"] == worker)
    given = deployment["spec"]["template"]["spec"]["containers"][0]["env"]
    fields = {"metadata.namespace": NAMESPACE}
    return {e["name"]: e["value"] if "value" in e else fields[e["valueFrom"]["fieldRef"]["fieldPath"]] for e in given}


@pytest.mark.slow
@pytest.mark.parametrize("worker", ["upkeep-worker-cpu", "upkeep-worker-gpu"])
def test_a_worker_sees_its_jobs_die_by_the_rights_that_it_has(worker: str, tmp_path: Path) -> None:
    """What marks the run of a killed pod as crashed watches jobs and pods; refused once, it stops for good."""
    asks: list[dict[str, str]] = []
    with cluster(asks) as url:
        told = {**os.environ, **environment(worker), "KUBECONFIG": str(kubeconfig(tmp_path, url))}
        process = subprocess.Popen([sys.executable, "-c", WATCHING], env=told, stderr=subprocess.DEVNULL)
        end = time.monotonic() + PATIENCE
        while (watched := {a["resource"] for a in asks if a["verb"] == "watch"}) != {"jobs", "pods"}:
            if not all(map(granted, asks)) or process.poll() is not None or time.monotonic() > end:
                break
            time.sleep(0.2)
        process.kill()
        process.wait()
    assert [a for a in asks if not granted(a)] == []
    assert watched == {"jobs", "pods"}
