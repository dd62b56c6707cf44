"""What production is made of, as far as it can be checked without Docker and without a cluster."""

import json
import re
import subprocess
import sysconfig
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = (ROOT / "infra/docker/Dockerfile").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "infra/compose.yaml").read_text())


def template(pool: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((ROOT / f"infra/kubernetes/{pool}-job.json").read_text())
    return found


def job(pool: str, **values: Any) -> dict[str, Any]:
    """The manifest that Prefect's Kubernetes worker makes of a template and a deployment's job variables."""
    from prefect.utilities.asyncutils import run_coro_as_sync
    from prefect_kubernetes.worker import KubernetesWorkerJobConfiguration

    made = run_coro_as_sync(KubernetesWorkerJobConfiguration.from_template_and_values(template(pool), values))
    assert made is not None
    return dict(made.job_manifest)


def container(manifest: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = manifest["spec"]["template"]["spec"]["containers"][0]
    return found


@pytest.mark.usefixtures("prefect_server")
def test_a_job_of_the_gpu_pool_asks_for_gpus_and_one_of_the_cpu_pool_does_not() -> None:
    gpu = job("gpu", gpus=2)
    assert container(gpu)["resources"]["limits"]["nvidia.com/gpu"] == 2
    assert container(gpu)["resources"]["requests"]["nvidia.com/gpu"] == 2
    assert gpu["spec"]["template"]["spec"]["nodeSelector"] == {"nvidia.com/gpu.present": "true"}
    assert {t["key"] for t in gpu["spec"]["template"]["spec"]["tolerations"]} == {"nvidia.com/gpu"}
    assert "nvidia.com/gpu" not in json.dumps(job("cpu"))


@pytest.mark.usefixtures("prefect_server")
@pytest.mark.parametrize("pool", ["cpu", "gpu"])
def test_a_job_reads_its_specs_keeps_its_checkpoints_and_gets_its_credentials_from_a_secret(pool: str) -> None:
    manifest = job(pool)
    mounts = {m["mountPath"] for m in container(manifest)["volumeMounts"]}
    assert mounts >= {"/etc/upkeep", "/var/lib/upkeep"}
    assert container(manifest)["envFrom"][0]["secretRef"]["name"] == "upkeep-settings"
    assert manifest["spec"]["backoffLimit"] == 0  # a second pod beside the first would do everything twice
    assert manifest["spec"]["template"]["spec"]["securityContext"]["runAsNonRoot"] is True


def test_every_image_that_compose_builds_is_a_target_of_the_dockerfile() -> None:
    targets = set(re.findall(r"^FROM \S+ AS (\w+)", DOCKERFILE, re.MULTILINE))
    built = {s["build"]["target"] for s in COMPOSE["services"].values() if "build" in s}
    assert built == {"cpu", "gpu"}
    assert built < targets
    assert set(re.findall(r"^COPY (\w+) \w+$", DOCKERFILE, re.MULTILINE)) == {"flows", "tasks", "models", "infra"}


def test_the_images_install_extras_that_there_are() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    asked = {name for found in re.findall(r"\.\[([\w,]+)\]", DOCKERFILE) for name in found.split(",")}
    assert asked <= set(extras)


def test_compose_sets_nothing_that_the_settings_do_not_know() -> None:
    known = {f"UPKEEP_{name.upper()}" for name in Settings.model_fields}
    given = {n for s in COMPOSE["services"].values() for n in s.get("environment", {}) if n.startswith("UPKEEP_")}
    assert given
    assert given <= known


def test_compose_keeps_every_port_on_this_machine_and_no_password_in_the_file() -> None:
    ports = [p for s in COMPOSE["services"].values() for p in s.get("ports", [])]
    assert all(p.startswith("127.0.0.1:") for p in ports)
    example = (ROOT / "infra/compose.env.example").read_text()
    assert re.findall(r"^\w*(?:KEY|PASSWORD)=(.+)$", example, re.MULTILINE) == []


def test_the_store_in_compose_is_started_with_flags_that_it_knows() -> None:
    weed = Path(sysconfig.get_path("scripts")) / "weed"
    told = subprocess.run([weed, "mini", "-h"], capture_output=True, text=True, check=False)
    known = set(re.findall(r"^  -([\w.]+)", told.stdout + told.stderr, re.MULTILINE))
    flags = {f.lstrip("-").partition("=")[0] for f in COMPOSE["services"]["store"]["command"] if f.startswith("-")}
    assert flags <= known
