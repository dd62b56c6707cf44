"""The keys of releases: which one signs, which one verifies, and whether a signature is demanded."""

from dataclasses import dataclass, field
from pathlib import Path

from pydantic import SecretStr

from errors import SpecError
from infra.settings import Settings


@dataclass(frozen=True)
class ReleaseKeys:
    """PEM texts. `required`: nothing of a version is loaded before its signature was found valid."""

    private: SecretStr | None = None
    public: str | None = field(default=None, repr=False)
    required: bool = False

    @property
    def can_verify(self) -> bool:
        return bool(self.public or self.private)


def read_release_keys(settings: Settings, *, required: bool) -> ReleaseKeys:
    private = _either(settings.signing_key, settings.signing_key_file, "UPKEEP_SIGNING_KEY")
    public = _either(settings.verify_key, settings.verify_key_file, "UPKEEP_VERIFY_KEY")
    return ReleaseKeys(private, public.get_secret_value() if public else None, required)


def _either(text: SecretStr | None, file: Path | None, name: str) -> SecretStr | None:
    if text and file:
        raise SpecError(f"{name} and {name}_FILE are both set; unset one, so that it is clear which key is meant")
    if file is None:
        return text
    try:
        return SecretStr(file.read_text())
    except (OSError, UnicodeDecodeError) as problem:
        reason = problem.strerror if isinstance(problem, OSError) else "it is no text"
        raise SpecError(f"{name}_FILE: {file} cannot be read ({reason}); `upkeep keygen FOLDER` makes a pair of "
                        "keys") from None  # fmt: skip
