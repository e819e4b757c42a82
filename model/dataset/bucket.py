"""Datasets in buckets of S3, and of all servers that speak its protocol.

pyarrow alone would try again for minutes where nobody answers, and say what its library said.
"""

import re
from dataclasses import dataclass

from pyarrow import fs

ADDRESS = re.compile(
    r"s3://(?:(?P<user>[^/?]*)@)?(?P<bucket>[^/?@]*)(?P<path>[^?]*)\??(?P<query>.*)"
)

OPTIONS = ("region", "scheme", "endpoint_override")
"""What may stand behind the ? of an address."""

CONNECT_SECONDS, REQUEST_SECONDS, ATTEMPTS = 5.0, 10.0, 2


class BadAddress(ValueError):
    """An address that cannot be used, in a sentence for people."""


@dataclass(frozen=True)
class Address:
    """What an address says: whether with credentials, which bucket, the path in it, its options."""

    is_secret: bool
    bucket: str
    path: str
    options: dict[str, str]


def read(address: str) -> Address:
    """What stands in an address that begins with s3://; nothing is checked."""
    found = ADDRESS.fullmatch(address)
    assert found is not None
    pairs = (pair.partition("=") for pair in found["query"].split("&") if pair)
    options = {name: value for name, _, value in pairs}
    is_secret = found["user"] is not None or ":" in found["bucket"]
    return Address(is_secret, found["bucket"], found["path"].strip("/"), options)


def opened(address: str) -> tuple[fs.FileSystem, str]:
    """The filesystem of an address such as s3://bucket/folder?region=eu-west-1, and the path in it.
    Raises BadAddress, and OSError where the bucket's region is not given and cannot be found out.
    """
    one = read(address)
    if one.is_secret:
        raise BadAddress(
            "The address of the bucket has credentials in it, which would be shown wherever the "
            "address is. Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY instead, and write it as "
            "s3://bucket/folder"
        )
    if not one.bucket or not set(one.options) <= set(OPTIONS):
        raise BadAddress(
            f"{address} is no address of a bucket. Write it as s3://bucket/folder; behind a ? may "
            f"stand {', '.join(OPTIONS)}, as in s3://bucket/folder?region=eu-west-1"
        )
    options = dict(one.options)
    if not options.keys() & {"region", "endpoint_override"}:
        options["region"] = fs.resolve_s3_region(one.bucket)
    system = fs.S3FileSystem(
        connect_timeout=CONNECT_SECONDS,
        request_timeout=REQUEST_SECONDS,
        retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=ATTEMPTS),
        **options,
    )
    return system, f"{one.bucket}/{one.path}".rstrip("/")


def missing(address: str, system: fs.FileSystem) -> str:
    """The sentence for an address at which there is nothing. Raises OSError."""
    one = read(address)
    if system.get_file_info(one.bucket).type == fs.FileType.NotFound:
        return _no_bucket(one)
    return (
        f"The bucket {one.bucket} has no file or folder {one.path}. Names in a bucket are exact, "
        "also in capitals"
    )


def trouble(address: str, error: BaseException) -> str | None:
    """The sentence for what S3 refuses; None for other errors."""
    said, one = str(error), read(address)
    if any(word in said for word in ("ACCESS_DENIED", "INVALID_ACCESS_KEY", "SIGNATURE_DOES_NOT")):
        return (
            f"The server of the bucket {one.bucket} refuses who we are. Set AWS_ACCESS_KEY_ID and "
            "AWS_SECRET_ACCESS_KEY, and AWS_SESSION_TOKEN if there is one, to credentials that are "
            f"still valid and may list and read {one.bucket}"
        )
    if any(word in said for word in ("NETWORK_CONNECTION", "REQUEST_TIMEOUT", "curlCode")):
        return (
            f"Nobody answers for the bucket {one.bucket} {_at(one)}. Check that the server runs, "
            "that this machine reaches it, and the address: endpoint_override is its host:port, "
            "and scheme=http belongs to a server without a certificate"
        )
    if "Bucket" in said and "not found" in said:
        return _no_bucket(one)
    return None


def _no_bucket(one: Address) -> str:
    return f"There is no bucket {one.bucket} {_at(one)}. Check its name, and the server's"


def _at(one: Address) -> str:
    server = one.options.get("endpoint_override")
    return f"at {server}" if server else "at Amazon"
