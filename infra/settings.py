"""Where Upkeep runs and with which credentials: the only place that reads the environment."""

from pathlib import Path

from pydantic import SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Environment variables with the prefix UPKEEP_. No bucket means: Upkeep's own S3 server on loopback,
    with its data under `home`."""

    model_config = SettingsConfigDict(env_prefix="UPKEEP_", extra="ignore")

    home: Path | None = None
    """Working files, caches, reports and the embedded store; default: `.upkeep` beside the spec."""
    s3_bucket: str | None = None
    s3_prefix: str = ""
    s3_endpoint_url: str | None = None
    s3_region: str = "us-east-1"
    s3_access_key: SecretStr | None = None
    """Both keys unset: boto3's own search (environment, profile, instance role)."""
    s3_secret_key: SecretStr | None = None

    def home_for(self, spec_path: Path) -> Path:
        return (self.home or spec_path.resolve().parent / ".upkeep").resolve()
