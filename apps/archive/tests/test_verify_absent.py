"""Partitions of which nothing is archived, without Kafka: the archive itself shows that they exist."""

from dataclasses import replace

import pytest
from pyiceberg.catalog import Catalog

from kit.archive import DEAD_LETTERS, EVENTS, METRICS, Recorded, Run, recorded_pipeline, write_raw
from kit.verified import group, missing, verified


@pytest.fixture(scope="module")
def recorded() -> Recorded:
    return recorded_pipeline(events=1_000)


def without_events_of(recorded: Recorded, partition: int) -> Recorded:
    return recorded.without(*(each for each in recorded.read(EVENTS, "") if each.partition == partition))


@pytest.mark.parametrize("since", [[], ["--since", "2026-11-26T09"]])
@pytest.mark.parametrize("partition", [1, 2])
def test_a_partition_that_receipts_name_and_of_which_nothing_is_archived_is_missing(
    run: Run, catalog: Catalog, recorded: Recorded, partition: int, since: list[str]
) -> None:
    write_raw(catalog, without_events_of(recorded, partition).messages)
    status, result = run("verify", "--offline", "--json", *since)
    assert (status, result["complete"], result["equal"]) == (1, False, True)
    ((topic, number, first, last),) = missing(result)
    last_event = max(each.offset for each in recorded.read(EVENTS, "") if each.partition == partition)
    assert (topic, number) == (EVENTS, partition)
    assert (first <= 3, last >= last_event - 5) == (True, True)
    assert group(result)["not_judged"].keys() <= {"gap in offsets", "not over"}
    text = run("verify", "--offline", *since)[1]
    assert "nothing of the partition is archived, but results counted records of it" in text


def test_windows_that_began_before_the_hours_looked_at_make_no_partition_missing(
    run: Run, catalog: Catalog, recorded: Recorded
) -> None:
    write_raw(catalog, without_events_of(recorded, 1).messages)
    status, result = run("verify", "--offline", "--json", "--since", "2026-11-26T10")
    first = missing(result)[0][2]
    assert first > 60
    assert status == 1


@pytest.mark.parametrize("topic", [EVENTS, METRICS, DEAD_LETTERS])
def test_a_partition_number_that_is_left_out_is_unknown(run: Run, catalog: Catalog, topic: str) -> None:
    recorded = recorded_pipeline(events=1_000, receipts=False)
    moved = [replace(each, partition=4) for each in recorded.read(topic, "") if each.partition == 2]
    planted = recorded.without(*(replace(each, partition=2) for each in moved)).with_more(*moved)
    if topic == EVENTS:
        letters = recorded.read(DEAD_LETTERS, "")
        planted = planted.without(*letters).with_more(
            *(
                replace(
                    each,
                    headers=tuple(
                        (name, b"4" if (name, value) == ("source-partition", b"2") else value)
                        for name, value in each.headers
                    ),
                )
                for each in letters
            )
        )
    status, result = verified(run, catalog, planted)
    unknown = {
        (each["topic"], each["partition"]): each["unknown"] for each in result["partitions"] if not each["records"]
    }
    assert unknown.keys() == {(topic, 2), (topic, 3)}
    assert (status, group(result)["different"]) == (0, 0)
    assert "complete but for unknown offsets" in run("verify", "--offline")[1]
    assert (
        f"{topic} partition 2: offset 0 and all others of the partition are not archived"
        in run("verify", "--offline")[1]
    )


def test_a_receipt_that_contradicts_its_result_names_no_partition(
    run: Run, catalog: Catalog, recorded: Recorded
) -> None:
    one = recorded.read(METRICS, "")[5]
    receipt = one.header("receipt").replace('{"0":', '{"77":{"first":1,"last":2,"counted":2,"refused":{}},"0":', 1)
    headers = tuple((name, receipt.encode() if name == "receipt" else value) for name, value in one.headers)
    status, result = verified(run, catalog, recorded.without(one).with_more(replace(one, headers=headers)))
    assert (status, missing(result), group(result)["different"]) == (1, [], 1)
