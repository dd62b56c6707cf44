"""What a store refuses is told by its cause and the way out, whatever server it is."""

import pytest
from boto3.exceptions import S3UploadFailedError
from botocore.exceptions import (
    ClientError,
    FlexibleChecksumError,
    NoCredentialsError,
    ParamValidationError,
    PartialCredentialsError,
)

from errors import CorruptObject, KeyTaken, MissingObject, SpecError, StoreError
from infra.refusals import SHOWN, explained


def answer(code: str, status: int, message: str = "") -> ClientError:
    said = {
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": status, "RetryAttempts": 2},
    }
    return ClientError(said, "PutObject")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("code", "status", "kind", "told"),
    [
        ("NoSuchBucket", 404, StoreError, "the bucket does not exist"),
        ("NoSuchUpload", 404, StoreError, "ended by somebody else"),
        ("404", 404, MissingObject, "nothing is stored there"),
        ("NoSuchKey", 404, MissingObject, "nothing is stored there"),
        ("ConditionalRequestConflict", 409, StoreError, "let none through"),
        ("OperationAborted", 409, StoreError, "let none through"),
        ("Conflict", 409, KeyTaken, "already written"),
        ("PreconditionFailed", 412, KeyTaken, "already written"),
        ("Unauthorized", 401, StoreError, "access denied"),
        ("AccessDenied", 403, StoreError, "access denied .* the bucket's policy"),
        ("InvalidAccessKeyId", 403, StoreError, "does not know this access key; check UPKEEP_S3_ACCESS_KEY"),
        ("SignatureDoesNotMatch", 403, StoreError, "check UPKEEP_S3_SECRET_KEY"),
        ("RequestTimeTooSkewed", 403, StoreError, "clock is wrong"),
        ("ExpiredToken", 400, StoreError, "credentials have run out"),
        ("400", 400, StoreError, "as it does where credentials have run out. Renew them"),
        ("XMinioStorageFull", 500, StoreError, "the store is full"),
        ("Unnamed", 507, StoreError, "the store is full"),
        ("Throttling", 400, StoreError, "overloaded"),
        ("Unnamed", 429, StoreError, "overloaded"),
        ("SlowDown", 503, StoreError, r"overloaded \(503 SlowDown, 3 tries\)"),
        ("TokenRefreshRequired", 400, StoreError, "credentials have run out"),
        ("ExpiredTokenException", 400, StoreError, "credentials have run out"),
        ("RequestTimeTooSkewed", 400, StoreError, "clock is wrong"),
        ("RequestExpired", 400, StoreError, "clock is wrong .*says that it is another time"),
        ("InsufficientStorage", 500, StoreError, "the store is full"),
        ("XMinioAdminBucketQuotaExceeded", 400, StoreError, "the store is full"),
        ("QuotaExceeded", 403, StoreError, "the store is full"),
        ("RequestLimitExceeded", 400, StoreError, "overloaded"),
        ("TooManyRequests", 400, StoreError, "overloaded"),
        ("Unnamed", 503, StoreError, "overloaded"),
        ("NoSuchKey", 200, MissingObject, "nothing is stored there"),
        ("InternalError", 500, StoreError, r"the store failed \(500 InternalError, 3 tries\)"),
    ],
)
def test_each_refusal_is_told_by_its_cause(code: str, status: int, kind: type[StoreError], told: str) -> None:
    found = explained(answer(code, status), "s3://b/k")
    assert type(found) is kind
    with pytest.raises(kind, match=f"s3://b/k: .*{told}"):
        raise found


@pytest.mark.parametrize(
    ("operation", "right"),
    [
        ("PutObject", "s3:PutObject"),
        ("DeleteObject", "s3:DeleteObject"),
        ("HeadObject", "s3:GetObject"),
        ("ListObjectsV2", "s3:ListBucket"),
        ("UploadPart", "s3:PutObject"),
        ("UploadPartCopy", "s3:PutObject, or s3:GetObject on what is copied,"),
        ("ListMultipartUploads", "s3:ListBucketMultipartUploads"),
        ("ListParts", "s3:ListMultipartUploadParts"),
        ("CreateMultipartUpload", "s3:PutObject"),
        ("CompleteMultipartUpload", "s3:PutObject"),
        ("CopyObject", "s3:PutObject, or s3:GetObject on what is copied,"),
    ],
)
def test_what_is_denied_is_told_by_the_right_that_it_needs_and_where_the_roles_are_listed(
    operation: str, right: str
) -> None:
    denied = answer("AccessDenied", 403)
    denied.operation_name = operation
    told = str(explained(denied, "s3://b/k"))
    assert f"access denied (AccessDenied): this needs {right} there" in told
    assert "docs/access.md has the roles" in told


def test_what_a_store_says_of_a_denial_is_shown_since_the_right_may_be_the_encryption_keys() -> None:
    said = "User: arn:aws:iam::1:user/x is not authorized to perform: kms:GenerateDataKey"
    assert said in str(explained(answer("AccessDenied", 403, said), "s3://b/k"))


@pytest.mark.parametrize(("said", "shown"), [("", "nothing more. docs"), ("You may not.", "You may not. docs"),
                                             ("z" * 1000, "z" * SHOWN + ". docs"), ("AKIAIOSFODNN7EXAMPLE may not", " may not. docs")])  # fmt: skip
def test_of_a_denial_as_much_is_shown_as_one_sentence_takes_and_no_key(said: str, shown: str) -> None:
    told = str(explained(answer("AccessDenied", 403, said), "s3://b/k"))
    assert shown in told
    assert "AKIA" not in told and told.count("z") <= SHOWN


def test_of_a_wrong_clock_the_store_s_time_is_told() -> None:
    skewed = answer("RequestTimeTooSkewed", 403)
    skewed.response["ResponseMetadata"]["HTTPHeaders"] = {"date": "Mon, 30 Nov 2026 20:00:00 GMT"}
    assert "the store says that it is Mon, 30 Nov 2026 20:00:00 GMT. Set the clock" in str(
        explained(skewed, "s3://b/k")
    )


def test_a_refusal_is_told_by_its_own_answer_and_not_by_one_that_came_before() -> None:
    denied = answer("AccessDenied", 403)
    denied.__context__ = answer("NoSuchKey", 404)
    assert "access denied" in str(explained(denied, "s3://b/k"))


def test_an_answer_that_says_nothing_is_told_as_that() -> None:
    assert "the store refused (0 ): without a reason" in str(explained(ClientError({}, "PutObject"), "s3://b/k"))


def test_of_what_a_store_says_at_length_the_beginning_is_shown() -> None:
    told = str(explained(answer("Odd", 400, "x" * 1000), "s3://b/k"))
    assert told.count("x") == SHOWN + "Look at UPKEEP_S3_*, and at storage.encryption and its key in the spec.".count(
        "x"
    )


@pytest.mark.parametrize(("code", "status"), [("Odd", 400), ("AccessDenied", 403)])
def test_a_key_that_a_store_repeats_is_not_shown_by_the_half_of_it_that_fits(code: str, status: int) -> None:
    told = str(explained(answer(code, status, " " * (SHOWN - 10) + "AKIAIOSFODNN7EXAMPLE"), "s3://b/k"))
    assert "AKIA" not in told


@pytest.mark.parametrize("chain", ["__cause__", "__context__"])
def test_what_a_transfer_wraps_is_told_by_what_it_got(chain: str) -> None:
    wrapped = S3UploadFailedError("failed")
    setattr(wrapped, chain, answer("AccessDenied", 403))
    assert "access denied" in str(explained(wrapped, "s3://b/k"))


def test_a_damaged_body_and_missing_credentials_are_no_lost_connection() -> None:
    damaged = explained(FlexibleChecksumError(error_msg="differs"), "s3://b/k")
    assert isinstance(damaged, CorruptObject)
    for lacking in (NoCredentialsError(), PartialCredentialsError(provider="env", cred_var="AWS_SECRET_ACCESS_KEY")):
        assert "no credentials; set UPKEEP_S3_ACCESS_KEY" in str(explained(lacking, "s3://b/k"))


def test_a_bucket_whose_name_is_none_is_told_by_its_setting_and_another_wrong_parameter_is_not() -> None:
    named = explained(ParamValidationError(report='Invalid bucket name "a/b"'), "s3://a/b")
    assert isinstance(named, SpecError)
    assert "Mend UPKEEP_S3_BUCKET" in str(named)
    assert isinstance(explained(ParamValidationError(report="Unknown parameter"), "s3://b/k"), StoreError)
