"""Datasets in buckets of S3, and of all servers that speak its protocol.

pyarrow alone would try again for minutes where nobody answers, and say what its library said.
"""

from urllib.parse import parse_qsl, urlsplit

from pyarrow import fs

OPTIONS = ("region", "scheme", "endpoint_override")
"""What may stand behind the ? of an address."""

CONNECT_SECONDS, REQUEST_SECONDS, ATTEMPTS = 5.0, 10.0, 2


class BadAddress(ValueError):
    """An address that cannot be used, in a sentence for people."""


def opened(address: str) -> tuple[fs.FileSystem, str]:
    """The filesystem of an address such as s3://bucket/folder?region=eu-west-1, and the path in it.
    Raises BadAddress, and OSError where the bucket's region is not given and cannot be found out.
    """
    parts = urlsplit(address)
    options = dict(parse_qsl(parts.query))
    if "@" in parts.netloc:
        raise BadAddress(
            f"The address of the bucket {parts.hostname} has credentials in it, which would be "
            "shown wherever the address is. Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY instead"
        )
    if not parts.netloc or not set(options) <= set(OPTIONS):
        raise BadAddress(
            f"{address} is no address of a bucket. Write it as s3://bucket/folder; behind a ? may "
            f"stand {', '.join(OPTIONS)}, as in s3://bucket/folder?region=eu-west-1"
        )
    if not options.keys() & {"region", "endpoint_override"}:
        options["region"] = fs.resolve_s3_region(parts.netloc)
    system = fs.S3FileSystem(
        connect_timeout=CONNECT_SECONDS,
        request_timeout=REQUEST_SECONDS,
        retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=ATTEMPTS),
        **options,
    )
    return system, f"{parts.netloc}{parts.path}".rstrip("/")


def missing(address: str, system: fs.FileSystem) -> str:
    """The sentence for an address at which there is nothing. Raises OSError."""
    bucket = urlsplit(address).netloc
    if system.get_file_info(bucket).type == fs.FileType.NotFound:
        return f"There is no bucket {bucket} {_at(address)}. Check its name, and the server's"
    return (
        f"The bucket {bucket} has no file or folder {urlsplit(address).path.strip('/')}. Names in "
        "a bucket are exact, also in capitals"
    )


def trouble(address: str, error: BaseException) -> str | None:
    """The sentence for what S3 refuses; None for other errors."""
    said, bucket = str(error), urlsplit(address).netloc
    if any(word in said for word in ("ACCESS_DENIED", "INVALID_ACCESS_KEY", "SIGNATURE_DOES_NOT")):
        return (
            f"The server of the bucket {bucket} refuses who we are. Set AWS_ACCESS_KEY_ID and "
            "AWS_SECRET_ACCESS_KEY, and AWS_SESSION_TOKEN if there is one, to credentials that are "
            f"still valid and may list and read {bucket}"
        )
    if any(word in said for word in ("NETWORK_CONNECTION", "REQUEST_TIMEOUT", "curlCode")):
        return (
            f"Nobody answers for the bucket {bucket} {_at(address)}. Check that the server runs, "
            "that this machine reaches it, and the address: endpoint_override is its host:port, "
            "and scheme=http belongs to a server without a certificate"
        )
    if "Bucket" in said and "not found" in said:
        return f"There is no bucket {bucket} {_at(address)}. Check its name, and the server's"
    return None


def _at(address: str) -> str:
    server = dict(parse_qsl(urlsplit(address).query)).get("endpoint_override")
    return f"at {server}" if server else "at Amazon"
