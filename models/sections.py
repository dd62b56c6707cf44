"""The sections of a spec that say what becomes of a model, in the order in which a run needs them; those of its rows are in
`models/data_sections.py`."""

import math
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from models.hosting import Hosted
from models.measures import UNSHOWN, can_show
from models.part import Part, Place, Share, parse_period

PythonFile = Annotated[str, Field(pattern=r"^[A-Za-z_]\w*\.py$")]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class ModelSource(Part):
    source: Place | None = Field(None, description="A folder (relative to this file), an s3:// prefix or a hub id.")
    revision: str | None = Field(None, description="The hub revision to pin; only for a hub id.")
    adopt: bool = Field(False, description="True: the source is already a classifier for these labels; "
                        "bootstrap registers it as it is instead of fine-tuning it.")  # fmt: skip
    max_tokens: int = Field(128, ge=4, le=8192, description="Longer texts are cut here.")
    trust_remote_code: dict[PythonFile, Sha256] = Field(default_factory=dict, description="Python files of the source that "
                                                 "loading it may run: name and SHA-256 of each.")  # fmt: skip
    hosted: Hosted | None = Field(None, description="Instead of source: a model that writes, behind an OpenAI-compatible API "
                                  "(docs/hosted.md).")  # fmt: skip

    @property
    def described(self) -> str:
        return f"{self.hosted.model} at {self.hosted.url}" if self.hosted else str(self.source)

    @model_validator(mode="after")
    def _one_of_both(self) -> "ModelSource":
        if self.hosted is None and self.source is None:
            raise ValueError(
                "source is missing: a folder, an s3:// prefix or a hub id; or hosted, for a model behind an API"
            )
        if self.hosted and (self.source or self.revision or self.trust_remote_code):
            raise ValueError("hosted is a model behind an API, which has no source, revision or code here; drop those")
        return self

    @field_validator("trust_remote_code", mode="before")
    @classmethod
    def _by_name_and_content(cls, value: Any) -> Any:
        if isinstance(value, bool | str):
            raise ValueError("trust is given by name and content, since code may change; write each file with its "
                             "SHA-256 (`sha256sum *.py`): `modeling_mine.py: 3f0c…`")  # fmt: skip
        return value


class Drift(Part):
    alpha: float = Field(0.01, gt=0, lt=0.5, description="False-alarm rate per run over all signals.")
    max_rows: int = Field(1000, ge=50, le=5000, description="Rows a side in the embedding test.")
    slice_rows: int = Field(50, ge=20, description="Smaller slices are not tested on their own.")
    permutations: int = Field(999, ge=199, le=99_999, description="Raised where a smaller p-value is needed.")
    min_auc: float = Field(0.54, ge=0.5, le=1, description="Effect floor of the embedding test, give or take chance.")
    min_ks: Share = Field(0.06, description="Effect floor of the distribution tests (largest gap of the CDFs).")
    latency_factor: float = Field(2.0, ge=1, description="Only of a hosted model: latency counts as changed where it is so many "
                                  "times what it was, or more, since it moves with the hour and the network.")  # fmt: skip


class Policy(Part):
    min_rows: int = Field(50, ge=1, description="A smaller window is held.")
    min_labels: int = Field(50, ge=1, description="Fewer labelled rows are no evidence of quality.")
    act_on: Literal["quality", "drift", "either"] = Field("quality", description="What calls for training: "
                                                         "quality (labels prove a drop), drift, or either.")  # fmt: skip
    p_value: float = Field(
        0.01, gt=0, lt=0.5, description="Of the one-sided test that the deciding metric became worse."
    )
    min_drop: Share = Field(0.02, description="Smallest loss of quality that calls for training: points of accuracy, chrF or "
                            "ROUGE; of perplexity, by what share it rose.")  # fmt: skip
    k: int = Field(1, ge=1, description="Act when k of the last n windows say so.")
    n: int = Field(1, ge=1, description="Windows looked back at, this one included.")
    cooldown: str = Field("0d", description="Least time between two retrainings.")
    retrain_every: str | None = Field(None, description="Retrain at least this often, whatever was seen.")
    false_alarms_a_year: float = Field(1.0, gt=0, description="Expected alarms in a year in which nothing changes; "
                                       "runs more frequent than this affords test at a smaller level.")  # fmt: skip
    max_retrains_a_month: int | None = Field(None, ge=1, description="In any 30 days; null: no limit.")
    training_minutes_a_month: float | None = Field(None, gt=0, description="Wall-clock minutes on the training "
                                                   "device (GPU or CPU) in any 30 days; null: no limit.")  # fmt: skip
    max_training_minutes: float | None = Field(None, gt=0, description="Wall-clock minutes on the training device at "
                                               "which one training stops, all its resumed parts together; null: no "
                                               "limit of its own.")  # fmt: skip
    ask_every: str = Field("7d", description="Least time between two batches of rows to label.")
    labels_wanted: int = Field(500, ge=50, description="Rows of the batch that a drift without labels asks for.")

    @model_validator(mode="after")
    def _fits(self) -> "Policy":
        if self.k > self.n:
            raise ValueError(f"k: {self.k} of n: {self.n} windows can never be reached; k must be at most n")
        for text in filter(None, (self.cooldown, self.retrain_every, self.ask_every)):
            parse_period(text)
        if self.retrain_every and parse_period(self.retrain_every) < parse_period(self.cooldown):
            raise ValueError(f"retrain_every: {self.retrain_every} is shorter than cooldown: {self.cooldown}")
        return self


class Approval(Part):
    expires: str = Field("7d", description="After this an unanswered question is closed.")
    samples: int = Field(20, ge=1, le=500, description="Rows shown with both models' answers.")
    ratings: int = Field(0, ge=0, description="Samples that people must have rated before an approval; 0: none.")
    win_rate: float = Field(0.5, ge=0, lt=1, description="What the candidate's share of the decided ratings must be shown "
                            "to reach (one-sided 95 % bound); only with ratings.")  # fmt: skip

    @model_validator(mode="after")
    def _fits(self) -> "Approval":
        if not parse_period(self.expires):
            raise ValueError(f"expires: {self.expires} is over at once; nobody could answer")
        if self.ratings > self.samples:
            raise ValueError(f"ratings: {self.ratings} of samples: {self.samples} can never be rated; ratings must be at "
                             "most samples")  # fmt: skip
        if self.ratings and not can_show(self.win_rate, self.samples):
            least = math.ceil(math.log(UNSHOWN) / math.log(self.win_rate))
            raise ValueError(f"samples: {self.samples} cannot show a win_rate of {self.win_rate:g}, even if the candidate "
                             f"is better on each; at least {least} can")  # fmt: skip
        return self


class ReleasePolicy(Part):
    alias: str = Field("champion", pattern=r"^[a-z][a-z0-9-]*$", description="The pointer that serving reads.")
    promote: bool = Field(True, description="False: a blessed version is published, but the alias stays.")
    approval: Approval | None = Field(None, description="A blessed version waits for a person's answer; null: nobody is "
                                      "asked.")  # fmt: skip
    require_signature: bool = Field(False, description="True: nothing is loaded, pulled or promoted without a valid "
                                    "signature.")  # fmt: skip


class Storage(Part):
    encryption: Literal["none", "AES256", "aws:kms"] = Field("none", description="What every write asks the server "
                                                             "for; none: the bucket's own default.")  # fmt: skip
    kms_key_id: str | None = Field(None, description="Only with aws:kms; null: the account's key for S3.")

    @model_validator(mode="after")
    def _fits(self) -> "Storage":
        if self.kms_key_id and self.encryption != "aws:kms":
            raise ValueError(f"kms_key_id is given, but encryption is {self.encryption!r}; write encryption: aws:kms "
                             "or drop it")  # fmt: skip
        return self


class Schedule(Part):
    cron: str = Field("0 3 * * *", description="When `maintain` runs.")
    monitor: str | None = Field(None, description="When `monitor` looks, between those; null: only when asked.")
    timezone: str = Field("UTC", description="Of the cron expressions; an IANA name.")
