"""Programs that nobody here wrote read a release: the AWS command line, transformers, model_signing."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from infra.object_store import ObjectStore
from infra.release_keys import ReleaseKeys
from tasks.security.keys import PUBLIC
from tests.servers import KEY, SECRET
from tests.tasks.security.conftest import Publish

AWS = Path(sys.executable).with_name("aws")


@pytest.mark.skipif(not AWS.exists(), reason="the AWS command line is not installed; `make` installs it (awscli)")
def test_a_copy_made_with_the_aws_command_line_loads_in_transformers_and_its_signature_is_valid(
    store: ObjectStore, s3_url: str, keys: ReleaseKeys, published: Publish, tmp_path: Path
) -> None:
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    store.release_keys = keys
    manifest = published()
    folder = tmp_path / "copied"
    credentials = {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_DEFAULT_REGION": "us-east-1"}
    copied = subprocess.run(
        [str(AWS), "--endpoint-url", s3_url, "s3", "cp", "--recursive", store.uri(store.keys.version(1)), str(folder)],
        capture_output=True, text=True, env={**os.environ, **credentials},
    )  # fmt: skip
    assert copied.returncode == 0, copied.stderr
    assert {path.name for path in folder.iterdir()} == {f.path for f in manifest.files} | {"manifest.json", "model.sig"}
    model = AutoModelForSequenceClassification.from_pretrained(folder, use_safetensors=True)
    inputs = AutoTokenizer.from_pretrained(folder)("the film was good", return_tensors="pt")
    assert model(inputs["input_ids"]).logits.shape == (1, 2)
    verified = subprocess.run(
        [sys.executable, "-m", "model_signing", "verify", "key", str(folder), "--signature", str(folder / "model.sig"),
         "--public_key", str(tmp_path / "keys" / PUBLIC)], capture_output=True, text=True,
    )  # fmt: skip
    assert verified.returncode == 0, verified.stderr
