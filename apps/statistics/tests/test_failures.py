import pytest

from clickstream_statistics.failures import explain, innermost, is_another_driver, is_lost

TRACE = """An error occurred while calling o65.awaitTermination.
: org.apache.spark.sql.streaming.StreamingQueryException: [STREAM_FAILED] Query terminated with exception: …
\tat org.apache.spark.sql.execution.streaming.StreamExecution.run(StreamExecution.scala:230)
Caused by: org.apache.spark.SparkException: Job aborted due to stage failure
\tat org.apache.spark.scheduler.DAGScheduler.failJobAndIndependentStages(DAGScheduler.scala:2844)
Caused by: {cause}
\tat java.base/java.lang.Thread.run(Thread.java:840)
"""


@pytest.mark.parametrize(
    ("cause", "kind", "line"),
    [
        (
            "java.io.IOException: No space left on device",
            "storage",
            "no space is left (IOException: No space left on device)",
        ),
        (
            "software.amazon.awssdk.services.S3Exception: Denied (Service: S3, Status Code: 403, Request ID: 18)",
            "storage",
            (
                "S3 refuses the access: check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and their rights on the bucket"
                " (S3Exception: Denied (Service: S3, Status Code: 403))"
            ),
        ),
        (
            "org.apache.hadoop.fs.s3a.UnknownStoreException: `s3a://b/x'",
            "storage",
            "there is no such bucket (UnknownStoreException: `s3a://b/x')",
        ),
        (
            "org.apache.kafka.common.errors.TimeoutException: Timed out waiting for a node assignment.",
            "kafka",
            "Kafka is away (TimeoutException: Timed out waiting for a node assignment.)",
        ),
        (
            "org.apache.kafka.common.errors.SaslAuthenticationException: invalid credentials",
            "kafka",
            (
                "Kafka refuses the credentials: check KAFKA_SASL_USERNAME and its password"
                " (SaslAuthenticationException: invalid credentials)"
            ),
        ),
        (
            "java.net.ConnectException: Call From a to b:8020 failed, at org.apache.hadoop.hdfs",
            "storage",
            "hdfs://b/p is away (ConnectException: Call From a to b:8020 failed, at org.apache.hadoop.hdfs)",
        ),
        ("java.lang.IllegalStateException", "other", "the query failed (IllegalStateException)"),
    ],
)
def test_a_trace_becomes_a_line(cause: str, kind: str, line: str) -> None:
    found = explain(TRACE.format(cause=cause), "hdfs://b/p")
    assert (found.cause, found.line) == (kind, line)
    assert "\n" not in found.line


def test_an_error_of_python_is_one_too() -> None:
    assert explain("[Errno 28] No space left on device: '/x'", "file:///x").line.startswith("no space is left")
    assert innermost("") == "no reason given"
    assert len(innermost("x" * 1000)) < 310


def test_sparks_wrapping_and_what_differs_each_time_are_left_out() -> None:
    wrapped = "[STREAM_FAILED] Query [id = 08-30, runId = 6d-e0] terminated with exception: {} SQLSTATE: XXKST"
    call = "Call(callName=listOffsets(api=METADATA), deadlineMs=1, tries=1, nextAllowedTryMs=2) timed out at 3 after 1"
    timed_out = wrapped.format(f"org.apache.kafka.common.errors.TimeoutException: {call}")
    assert explain(timed_out, "/p").line == "Kafka is away (TimeoutException: listOffsets timed out)"
    sdk = "software.amazon.awssdk.core.exception.SdkClientException: Connect to h:1 failed (SDK Attempt Count: 4): x"
    assert explain(f"a on s3a://b/c: {sdk}", "s3a://b").line == (
        "s3a://b is away (a on s3a://b/c: SdkClientException: Connect to h:1 failed)"
    )
    assert explain(wrapped.format("java.lang.Exception: x"), "/p").line == "the query failed (Exception: x)"


def test_what_ends_the_job_is_recognized() -> None:
    assert is_lost("Some data may have been lost because they are not available in Kafka any more")
    assert is_another_driver("[CONCURRENT_STREAM_LOG_UPDATE] Concurrent update to the log. Multiple streaming jobs")
    assert not is_lost(TRACE)
    assert not is_another_driver(TRACE)
