"""What a failure of Spark means, in one line. Pure: it looks at texts only.

A failed query has a Java trace of hundreds of lines, of which the innermost cause says what happened.
"""

import re
from dataclasses import dataclass

CAUSES = ("kafka", "storage", "other")

_CAUSE = re.compile(r"^\s*Caused by: (.+)$", re.MULTILINE)
_PACKAGE = re.compile(r"\b(?:[a-z][\w$]*\.){2,}(?=[A-Z])")
_ATTEMPTS = re.compile(r" \(SDK Attempt Count: \d+\).*")
"""Of Amazon's client, which goes on with the same again."""
_REQUEST = re.compile(r", (Request|Extended Request) ID: [^,)]+")
"""Of S3: another one each time, while the line is to be logged once."""
_WRAPPING = re.compile(r"^.*\[STREAM_FAILED\] Query \[.*?\] terminated with exception: ")
_STATE = re.compile(r" SQLSTATE: \w{5}$")
_CALL = re.compile(r"\bCall\(callName=(\w+).*?\) timed out\b.*")
"""Of Kafka's administration client, with times and counts that differ each time."""
_HADOOP_PAGE = re.compile(r"; For more details see: .*")
_NOISE = (
    (_WRAPPING, ""),
    (_STATE, ""),
    (_REQUEST, ""),
    (_CALL, r"\1 timed out"),
    (_ATTEMPTS, ""),
    (_HADOOP_PAGE, ""),
    (_PACKAGE, ""),
)
_LONGEST = 300


@dataclass(frozen=True)
class Failure:
    """Why the query ended: `cause` is one of CAUSES, `line` says it in words."""

    cause: str
    line: str


_MEANINGS = (
    (
        r"No space left on device|DSQuotaExceeded|QuotaExceeded|StorageFull|insufficient space",
        "storage",
        "no space is left",
    ),
    (
        r"InvalidAccessKeyId|SignatureDoesNotMatch|Status Code: 403|Access ?Denied|Unable to load cred|NoAuthWithAWS",
        "storage",
        "S3 refuses the access: check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and their rights on the bucket",
    ),
    (r"NoSuchBucket|bucket does not exist|UnknownStoreException", "storage", "there is no such bucket"),
    (r"AccessControlException|Permission denied", "storage", "{place} refuses the access"),
    (r"SafeModeException|StandbyException|NameNode", "storage", "HDFS does not take writes now"),
    (
        r"SaslAuthenticationException|SslAuthenticationException|Authentication failed",
        "kafka",
        "Kafka refuses the credentials: check KAFKA_SASL_USERNAME and its password",
    ),
    (r"(Topic|Group|Cluster)AuthorizationException", "kafka", "Kafka refuses the access: check this user's ACLs"),
    (r"UnknownTopicOrPartition|UnknownTopicId", "kafka", "the topic does not exist"),
    (r"org\.apache\.kafka|KafkaException|kafka010", "kafka", "Kafka is away"),
    (
        r"s3a|S3AFileSystem|fs\.s3|software\.amazon|hdfs|hadoop\.fs|java\.nio\.file|java\.io\.(File|IO)",
        "storage",
        "{place} is away",
    ),
)
"""What is looked for in the whole trace, in this order; the cause, and what it means."""

_LOST = re.compile(r"KAFKA_DATA_LOSS|failOnDataLoss|Some data may have been (lost|missed)|data may have been lost")
_ANOTHER_DRIVER = re.compile(r"CONCURRENT_STREAM_LOG_UPDATE|Multiple streaming jobs|ConcurrentModificationException")


def explain(trace: str, place: str) -> Failure:
    """Return what a trace means for a job that stores in `place`."""
    for pattern, cause, meaning in _MEANINGS:
        if re.search(pattern, trace):
            return Failure(cause, f"{meaning.format(place=place)} ({innermost(trace)})")
    return Failure("other", f"the query failed ({innermost(trace)})")


def is_lost(trace: str) -> bool:
    """Whether Kafka has deleted records that were not read yet, or the topic is another one."""
    return _LOST.search(trace) is not None


def is_another_driver(trace: str) -> bool:
    """Whether another driver has written to the same checkpoints."""
    return _ANOTHER_DRIVER.search(trace) is not None


def innermost(trace: str) -> str:
    """Return the innermost cause in one line, without the package of its class."""
    causes = _CAUSE.findall(trace)
    line = causes[-1] if causes else next((each for each in trace.splitlines() if each.strip()), "no reason given")
    for noise, shown in _NOISE:
        line = noise.sub(shown, line.strip())
    line = line.rstrip(": ")
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}…"
