"""What a store's refusals mean: our errors, which name the address, the cause and the way out, and no credentials."""

from typing import Any

from errors import CorruptObject, KeyTaken, MissingObject, SpecError, StoreError, UpkeepError, redacted

UNDECIDED = {"ConditionalRequestConflict", "OperationAborted"}
"""Two writers at the same moment, and neither was let through: to be tried again."""
CLOCK = {"RequestTimeTooSkewed", "RequestExpired"}
RAN_OUT = {"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired"}
FULL = {"InsufficientStorage", "XMinioStorageFull", "QuotaExceeded", "XMinioAdminBucketQuotaExceeded"}
BUSY = {"SlowDown", "RequestLimitExceeded", "Throttling", "TooManyRequests"}
RIGHTS = {
    "HeadObject": "s3:GetObject", "ListObjectsV2": "s3:ListBucket", "ListMultipartUploads": "s3:ListBucketMultipartUploads",
    "ListParts": "s3:ListMultipartUploadParts", "CreateMultipartUpload": "s3:PutObject", "UploadPart": "s3:PutObject",
    "CompleteMultipartUpload": "s3:PutObject", "CopyObject": "s3:PutObject, or s3:GetObject on what is copied,",
    "UploadPartCopy": "s3:PutObject, or s3:GetObject on what is copied,",
}  # fmt: skip
"""By the names that policies have for them, those that an operation of another name needs."""
SHOWN = 300
"""Characters of what a store says."""
AGAIN = "Nothing is half released: run again, what was finished is not done twice."


def explained(problem: Exception, uri: str) -> UpkeepError:
    """Of whatever boto3 raised."""
    from botocore.exceptions import (
        ClientError,
        FlexibleChecksumError,
        NoCredentialsError,
        ParamValidationError,
        PartialCredentialsError,
    )

    cause = problem.__cause__ or problem.__context__
    if not isinstance(problem, ClientError) and isinstance(cause, ClientError):  # boto3's transfers wrap what they got
        problem = cause
    if isinstance(problem, ClientError):
        return _answered(problem.response, uri, RIGHTS.get(problem.operation_name, f"s3:{problem.operation_name}"))
    if isinstance(problem, FlexibleChecksumError):
        return CorruptObject(f"{uri}: the bytes that came do not have the checksum that the store keeps of them: the "
                             "object, or the way here, is damaged. Nothing was loaded. Restore it, or roll back.")  # fmt: skip
    if isinstance(problem, NoCredentialsError | PartialCredentialsError):
        return StoreError(f"{uri}: no credentials; set UPKEEP_S3_ACCESS_KEY and UPKEEP_S3_SECRET_KEY")
    if isinstance(problem, ParamValidationError) and "Invalid bucket name" in str(problem):
        return SpecError(f"{uri} names no bucket: a name has letters, digits, dots and dashes only. Mend UPKEEP_S3_BUCKET (what "
                         "stands before every key is UPKEEP_S3_PREFIX), or the address in the spec")  # fmt: skip
    return StoreError(f"{uri}: {problem}; is the store running and UPKEEP_S3_ENDPOINT_URL right? {AGAIN}")


def _answered(response: dict[str, Any], uri: str, right: str) -> StoreError:
    code = str(response.get("Error", {}).get("Code", ""))
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code == "NoSuchBucket":
        return StoreError(f"{uri}: the bucket does not exist; create it or set UPKEEP_S3_BUCKET")
    if code == "NoSuchUpload":
        return StoreError(f"{uri}: the upload in parts was ended by somebody else. {AGAIN}")
    if status == 404 or code == "NoSuchKey":
        return MissingObject(f"{uri}: nothing is stored there")
    if code in UNDECIDED:
        return StoreError(
            f"{uri}: several writers at the same moment, and the store let none through ({code}). {AGAIN}"
        )
    if status in {409, 412}:
        return KeyTaken(f"{uri}: already written by another run")
    if code in CLOCK | RAN_OUT or (status in {401, 403} and code not in FULL):  # Ceph says of a quota: 403
        return StoreError(f"{uri}: {_denied(code, response, right)}")
    return StoreError(f"{uri}: {_failed(code, status, response)}")


def _denied(code: str, response: dict[str, Any], right: str) -> str:
    if code in CLOCK:
        date = response.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date", "another time")
        return f"this machine's clock is wrong ({code}): the store says that it is {date}. Set the clock and run again."
    if code in RAN_OUT:
        return (
            f"the credentials have run out ({code}). Get new ones and run again; what was finished is not done twice."
        )
    if code == "InvalidAccessKeyId":
        return f"access denied ({code}): the store does not know this access key; check UPKEEP_S3_ACCESS_KEY"
    if code == "SignatureDoesNotMatch":
        return f"access denied ({code}): the secret does not belong to the access key; check UPKEEP_S3_SECRET_KEY"
    said = redacted(str(response.get("Error", {}).get("Message") or "nothing more"))
    return (f"access denied ({code}): this needs {right} there, and the store says: {said[:SHOWN].rstrip('.')}. docs/access.md has the "
            "roles and their policies; check UPKEEP_S3_ACCESS_KEY, its secret, the bucket's policy and this machine's clock")  # fmt: skip


def _failed(code: str, status: int, response: dict[str, Any]) -> str:
    tries = 1 + response.get("ResponseMetadata", {}).get("RetryAttempts", 0)
    if code == "400":  # the answer to a HEAD has no text
        return (
            f"the store refused without a reason (400), as it does where credentials have run out. Renew them. {AGAIN}"
        )
    if code in FULL or status == 507:
        return f"the store is full ({status} {code}). Make room (`upkeep gc SPEC` shows what may go). {AGAIN}"
    if code in BUSY or status in {429, 503}:
        return f"the store is overloaded ({status} {code}, {tries} tries). {AGAIN}"
    if status >= 500:
        return f"the store failed ({status} {code}, {tries} tries); its log says why, a full disk for one. {AGAIN}"
    said = redacted(str(response.get("Error", {}).get("Message") or "without a reason"))
    return (f"the store refused ({status} {code}): {said[:SHOWN]}. Look at UPKEEP_S3_*, and at storage.encryption and its key in the "
            f"spec. {AGAIN}")  # fmt: skip
