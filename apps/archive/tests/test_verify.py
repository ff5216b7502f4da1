"""verify finds what was planted into an archive, names it, and finds nothing else."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from pyiceberg.catalog import Catalog

from kit.archive import DEAD_LETTERS, EVENTS, METRICS, Recorded, Run, recorded_pipeline, results_of, write_raw
from kit.verified import doubled, group, middle, missing, verified


@pytest.fixture(scope="module")
def recorded() -> Recorded:
    return recorded_pipeline()


def test_a_whole_archive_is_complete_and_equal(run: Run, catalog: Catalog, recorded: Recorded) -> None:
    status, result = verified(run, catalog, recorded)
    assert status == 0
    assert (result["complete"], result["equal"]) == (True, True)
    assert group(result)["equal"] == len(recorded.read(METRICS, "")) == 31
    assert group(result)["not_judged"] == {}
    assert {each["partition"]: each["records"] for each in result["partitions"] if each["topic"] == EVENTS} == {
        number: sum(1 for each in recorded.read(EVENTS, "") if each.partition == number) for number in range(3)
    }


def test_a_removed_event_is_named_by_the_receipt_that_counted_it(
    run: Run, catalog: Catalog, recorded: Recorded
) -> None:
    gone = middle(recorded, EVENTS)
    status, result = verified(run, catalog, recorded.without(gone))
    assert status == 1
    assert missing(result) == [(EVENTS, gone.partition, gone.offset, gone.offset)]
    assert (group(result)["different"], group(result)["not_judged"]) == (0, {"gap in offsets": 1})
    assert (result["equal"], doubled(result)) == (True, [])


def test_a_removed_event_without_receipts_is_unknown_and_its_windows_are_not_judged(run: Run, catalog: Catalog) -> None:
    recorded = recorded_pipeline(receipts=False)
    gone = middle(recorded, EVENTS)
    status, result = verified(run, catalog, recorded.without(gone))
    assert status == 0
    unknown = [
        each["unknown"]
        for each in result["partitions"]
        if (each["topic"], each["partition"]) == (EVENTS, gone.partition)
    ]
    assert unknown == [[{"first": gone.offset, "last": gone.offset}]]
    assert group(result)["not_judged"] == {"gap in offsets": 1}


def test_a_doubled_event_is_named_and_counted_once(run: Run, catalog: Catalog, recorded: Recorded) -> None:
    again = middle(recorded, EVENTS)
    status, result = verified(run, catalog, recorded.with_more(again))
    assert status == 1
    assert doubled(result) == [(EVENTS, again.partition, again.offset, again.offset)]
    assert (missing(result), result["equal"], group(result)["equal"]) == ([], True, 31)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"total_events": 7}, "total_events is 7, recounted "),
        ({"unique_users": 1}, "unique_users is 1, recounted "),
        ({"avg_duration_ms": 12}, "avg_duration_ms is 12, recounted "),
        ({"devices": {"mobile": 3}}, "devices[mobile] is 3, recounted "),
        ({"top_pages": {"/nowhere": 3}}, "top_pages[/nowhere] is 3, recounted not there"),
    ],
)
@pytest.mark.parametrize("receipts", [True, False])
def test_a_changed_result_is_named_with_what_differs(
    run: Run, catalog: Catalog, changes: dict[str, object], named: str, receipts: bool
) -> None:
    recorded = recorded_pipeline(events=600, seconds=240, receipts=receipts)
    chosen = sorted(recorded.read(METRICS, ""), key=lambda each: each.timestamp)[5]
    status, result = verified(run, catalog, recorded.changed(chosen, **changes))
    assert status == 1
    assert (result["complete"], result["equal"]) == (True, False)
    (difference,) = group(result)["differences"]
    assert difference["window_start"] == (chosen.key or b"").decode()
    assert any(each.startswith(named) for each in difference["differences"])
    assert group(result)["not_judged"] == {}


def test_a_changed_last_result_is_found_through_its_receipt(run: Run, catalog: Catalog, recorded: Recorded) -> None:
    last = max(recorded.read(METRICS, ""), key=lambda each: each.timestamp)
    status, result = verified(run, catalog, recorded.changed(last, unique_users=49))
    assert (status, group(result)["different"]) == (1, 1)


def test_a_result_that_is_there_twice_is_a_difference(run: Run, catalog: Catalog, recorded: Recorded) -> None:
    again = middle(recorded, METRICS)
    end = max(each.offset for each in recorded.read(METRICS, "") if each.partition == again.partition)
    status, result = verified(run, catalog, recorded.with_more(replace(again, offset=end + 1)))
    assert status == 1
    (words,) = group(result)["other_differences"]
    assert words.startswith(f"window {(again.key or b'').decode()} has revision 0 2 times")


def test_a_later_revision_is_the_one_that_counts(run: Run, catalog: Catalog, recorded: Recorded) -> None:
    one = middle(recorded, METRICS)
    end = max(each.offset for each in recorded.read(METRICS, "") if each.partition == one.partition)
    wrong = recorded.changed(one, total_events=3)
    right = replace(one, offset=end + 1, value=json.dumps({**json.loads(one.value or b""), "revision": 1}).encode())
    status, result = verified(run, catalog, wrong.with_more(right))
    assert (status, group(result)["equal"]) == (0, 31)


@pytest.mark.parametrize(("gap", "different"), [(2, 0), (0, 1)])
def test_a_window_whose_later_revision_may_be_missing_is_not_judged(
    run: Run, catalog: Catalog, recorded: Recorded, gap: int, different: int
) -> None:
    one = middle(recorded, METRICS)
    newest = json.loads(one.header("receipt"))["0"]["last"]
    event = next(each for each in recorded.read(EVENTS, "") if (each.partition, each.offset) == (0, newest))
    before = next(each for each in results_of(recorded.without(event), 10) if each.key == one.key)
    later = [
        each for each in recorded.read(METRICS, "") if each.partition == one.partition and each.offset > one.offset
    ]
    moved = [replace(each, offset=each.offset + gap) for each in later]
    earlier = replace(one, value=before.value, headers=before.headers)
    status, result = verified(run, catalog, recorded.without(one, *later).with_more(earlier, *moved))
    assert (status, group(result)["different"]) == (different, different)
    assert group(result)["not_judged"] == ({"gap in offsets": 1} if gap else {})


def test_a_removed_result_is_named(run: Run, catalog: Catalog, recorded: Recorded) -> None:
    gone = sorted(recorded.read(METRICS, ""), key=lambda each: each.timestamp)[9]
    status, result = verified(run, catalog, recorded.without(gone))
    assert status == 1
    (difference,) = group(result)["differences"]
    assert difference["window_start"] == (gone.key or b"").decode()
    assert difference["differences"][0].startswith("there is no result, but the archive has ")


def test_a_dead_letter_that_is_there_twice_or_contradicts_its_record_is_a_difference(
    run: Run, catalog: Catalog, recorded: Recorded
) -> None:
    first, second, *_ = [each for each in recorded.read(DEAD_LETTERS, "") if each.header("reason") == "not_json"]
    end = max(each.offset for each in recorded.read(DEAD_LETTERS, "") if each.partition == first.partition)
    headers = tuple((name, b"late" if name == "reason" else value) for name, value in second.headers)
    planted = recorded.without(second).with_more(replace(first, offset=end + 1), replace(second, headers=headers))
    status, result = verified(run, catalog, planted)
    assert status == 1
    assert group(result)["other_differences"] == [
        f"record {first.header('source-partition')}@{first.header('source-offset')} has 2 dead letters",
        (
            f"record {second.header('source-partition')}@{second.header('source-offset')} has a dead letter that says"
            " late, but it is not_json"
        ),
    ]
    assert group(result)["equal"] == 31


def test_a_deleted_file_is_named_with_the_offsets_that_it_held(
    run: Run, catalog: Catalog, recorded: Recorded, tmp_path: Path
) -> None:
    table = write_raw(catalog, sorted(recorded.messages, key=lambda each: each.timestamp), 5)
    files = [task.file for task in table.scan(row_filter=f"topic = '{EVENTS}'").plan_files()]
    for deleted in sorted(files, key=lambda each: each.lower_bounds[5])[1:5:2]:
        Path(deleted.file_path.removeprefix("file://")).unlink()
    status, result = run("verify", "--offline", "--json")
    assert status == 1
    assert len(result["lost_files"]) == 2
    assert {each[:2] for each in missing(result)} == {(EVENTS, number) for number in range(3)}
    held = sum(file["records"] for file in result["lost_files"])
    assert sum(last - first + 1 for *_, first, last in missing(result)) == held
    assert (group(result)["different"], group(result)["not_judged"].keys()) == (0, {"gap in offsets"})


@pytest.mark.parametrize("topic", [EVENTS, METRICS])
@pytest.mark.parametrize(("cut", "named"), [(True, "bytes instead of"), (False, "can't be read")])
def test_a_damaged_file_is_named_with_what_it_held(
    run: Run, catalog: Catalog, recorded: Recorded, topic: str, cut: bool, named: str
) -> None:
    table = write_raw(catalog, sorted(recorded.messages, key=lambda each: each.timestamp), 3)
    files = [
        Path(each.file.file_path.removeprefix("file://")) for each in table.scan(f"topic = '{topic}'").plan_files()
    ]
    damaged = files[1]
    whole = damaged.read_bytes()
    damaged.write_bytes(whole[:-500] if cut else bytes(len(whole)))
    status, result = run("verify", "--offline", "--json")
    assert (status, result["complete"], result["equal"]) == (1, False, True)
    (file,) = result["lost_files"]
    assert file["path"].endswith(damaged.name)
    assert named in file["damage"]
    assert {each[0] for each in missing(result)} == {topic}
    assert "a data file is damaged, " in run("verify", "--offline")[1]


def test_of_a_deleted_file_only_offsets_that_it_can_have_held_are_missing(
    run: Run, catalog: Catalog, recorded: Recorded
) -> None:
    sent = [each for each in recorded.read(EVENTS, "") if each.partition == 0]
    ahead = [replace(each, partition=1, offset=each.offset + 5_000) for each in sent]
    write_raw(catalog, [*sent[:100], *ahead[:100]])
    table = write_raw(catalog, [*sent[100:200], *ahead[100:200]])
    lost = table.inspect.files().to_pylist()
    (deleted,) = [each for each in lost if each["readable_metrics"]["offset"]["upper_bound"] == ahead[199].offset]
    write_raw(catalog, [*sent[200:300], *ahead[200:300]])
    Path(deleted["file_path"].removeprefix("file://")).unlink()
    status, result = run("verify", "--offline", "--json")
    assert status == 1
    assert missing(result) == [
        (EVENTS, 0, sent[100].offset, sent[199].offset),
        (EVENTS, 1, ahead[100].offset, ahead[199].offset),
    ]


@pytest.mark.parametrize("topic", [DEAD_LETTERS, METRICS])
def test_the_only_file_of_a_topic_that_is_gone_makes_no_difference_of_what_it_explains(
    run: Run, catalog: Catalog, recorded: Recorded, topic: str
) -> None:
    gone = recorded.read(topic, "")
    kept = recorded.without(*gone) if topic == DEAD_LETTERS else recorded.without(*gone[:20])
    write_raw(catalog, kept.messages)
    before = {task.file.file_path for task in catalog.load_table(("clickstream", "raw")).scan().plan_files()}
    table = write_raw(catalog, gone if topic == DEAD_LETTERS else gone[:20])
    (deleted,) = {task.file.file_path for task in table.scan().plan_files()} - before
    Path(deleted.removeprefix("file://")).unlink()
    status, result = run("verify", "--offline", "--json")
    assert (status, result["complete"], len(result["lost_files"])) == (1, False, 1)
    assert (group(result)["different"], group(result)["other_differences"]) == (0, [])
    assert group(result)["not_judged"].keys() <= {"gap in offsets", "not over", "before the first result"}


def test_an_approximate_result_may_differ_by_its_sketches_error_and_no_more(
    run: Run, catalog: Catalog, recorded: Recorded
) -> None:
    first, second = sorted(recorded.read(METRICS, ""), key=lambda each: each.timestamp)[4:6]
    fields = [json.loads(each.value or b"") for each in (first, second)]
    status, result = verified(
        run,
        catalog,
        recorded.changed(first, approximate=True, unique_sessions=fields[0]["unique_sessions"] + 1).changed(
            second, approximate=True, unique_sessions=fields[1]["unique_sessions"] + 20
        ),
    )
    assert status == 1
    (difference,) = group(result)["differences"]
    assert difference["window_start"] == (second.key or b"").decode()


@pytest.mark.parametrize(
    ("field", "more"),
    [("total_events", 1), ("avg_duration_ms", 1), ("top_pages", {}), ("event_types", {}), ("devices", {"mobile": 1})],
)
def test_figures_that_no_sketch_counts_and_names_left_out_of_an_approximate_result_are_differences(
    run: Run, catalog: Catalog, recorded: Recorded, field: str, more: object
) -> None:
    one = middle(recorded, METRICS)
    value = json.loads(one.value or b"")[field] + more if isinstance(more, int) else more
    status, result = verified(run, catalog, recorded.changed(one, approximate=True, **{field: value}))
    assert (status, group(result)["different"]) == (1, 1)


def test_a_receipt_that_contradicts_itself_is_a_difference(run: Run, catalog: Catalog, recorded: Recorded) -> None:
    one = middle(recorded, METRICS)
    receipt = json.loads(one.header("receipt"))
    receipt["0"]["refused"] = {"late": 10_000}
    forged = tuple((name, json.dumps(receipt).encode() if name == "receipt" else value) for name, value in one.headers)
    status, result = verified(run, catalog, recorded.without(one).with_more(replace(one, headers=forged)))
    assert status == 1
    (difference,) = group(result)["differences"]
    assert "records of partition 0 were counted or refused at the" in difference["differences"][0]


def test_offsets_before_the_first_archived_one_are_unknown(run: Run, catalog: Catalog, recorded: Recorded) -> None:
    gone = [each for each in recorded.read(EVENTS, "") if each.partition == 1 and each.offset < 7]
    write_raw(catalog, recorded.without(*gone).messages)
    status, result = run("verify", "--offline", "--json")
    unknown = {(each["topic"], each["partition"]): each["unknown"] for each in result["partitions"]}
    assert (status, unknown[EVENTS, 1], unknown[EVENTS, 0]) == (0, [{"first": 0, "last": 6}], [])
    assert "complete but for unknown offsets" in run("verify", "--offline")[1]
    later = run("verify", "--offline", "--json", "--since", "2026-11-26T09")[1]
    assert [each["unknown"] for each in later["partitions"] if each["topic"] == EVENTS] == [[], [], []]


def test_windows_before_the_archive_are_not_judged(run: Run, catalog: Catalog, recorded: Recorded) -> None:
    half = recorded.read(EVENTS, "")
    first = min(each.timestamp for each in half) + 100_000
    status, result = verified(run, catalog, recorded.without(*(each for each in half if each.timestamp < first)))
    assert status == 0
    assert 9 <= group(result)["not_judged"]["before the archive"] <= 12
    assert group(result)["different"] == 0


def test_a_window_that_is_not_over_is_not_judged(run: Run, catalog: Catalog, recorded: Recorded) -> None:
    last = max(recorded.read(METRICS, ""), key=lambda each: each.timestamp)
    status, result = verified(run, catalog, recorded.without(last))
    assert status == 0
    assert group(result)["not_judged"] == {"not over": 1}


def test_without_headers_dead_letters_say_nothing(run: Run, catalog: Catalog) -> None:
    recorded = recorded_pipeline(receipts=False)
    refused = recorded.read(DEAD_LETTERS, "")
    bare = recorded.without(*refused).with_more(*(replace(each, headers=()) for each in refused))
    valid = middle(recorded, EVENTS)
    late = replace(refused[0], offset=1_000, value=valid.value, headers=())
    counted = recorded.read(METRICS, "")
    status, result = verified(run, catalog, bare.with_more(late).changed(counted[3], total_events=1))
    assert status == 0
    assert group(result)["not_judged"] == {"dead letters without headers": 1}


@pytest.mark.parametrize("headers", [(), (("app", b"clickstream-streams"), ("group", b"clickstream-processor"))])
def test_a_stray_record_on_the_dead_letter_topic_hides_no_changed_result(
    run: Run, catalog: Catalog, recorded: Recorded, headers: tuple[tuple[str, bytes], ...]
) -> None:
    stray = replace(recorded.read(DEAD_LETTERS, "")[-1], offset=1_000, value=b"x", headers=headers)
    changed = middle(recorded, METRICS)
    status, result = verified(run, catalog, recorded.with_more(stray).changed(changed, unique_users=1))
    assert (status, group(result)["different"], group(result)["not_judged"]) == (1, 1, {})


def test_without_headers_of_dead_letters_a_result_is_judged_by_its_receipt(
    run: Run, catalog: Catalog, recorded: Recorded
) -> None:
    refused = recorded.read(DEAD_LETTERS, "")
    bare = recorded.without(*refused).with_more(*(replace(each, headers=()) for each in refused))
    status, result = verified(run, catalog, bare.changed(middle(recorded, METRICS), unique_users=1))
    assert (status, group(result)["different"], group(result)["not_judged"]) == (1, 1, {})


def test_results_of_two_processors_are_judged_each_by_its_own(run: Run, catalog: Catalog, recorded: Recorded) -> None:
    other = [
        replace(
            each,
            offset=each.offset + 1_000,
            headers=tuple((name, b"other" if name == "group" else value) for name, value in each.headers),
        )
        for each in (*recorded.read(METRICS, ""), *recorded.read(DEAD_LETTERS, ""))
    ]
    planted = recorded.with_more(*other).changed(other[5], total_events=2)
    status, result = verified(run, catalog, planted)
    assert status == 1
    assert {each["group"]: each["different"] for each in result["groups"]} == {"clickstream-processor": 0, "other": 1}
    assert run("verify", "--offline", "--json", "--group-id", "clickstream-processor")[0] == 0


def test_what_was_found_is_said_in_words(run: Run, catalog: Catalog, recorded: Recorded) -> None:
    write_raw(catalog, recorded.messages)
    status, text = run("verify", "--offline")
    assert status == 0
    assert "Windows of clickstream-processor: 31 equal, 0 different, 0 not judged" in text
    assert "every result equals the recount." in text


def test_an_archive_that_does_not_exist_is_one_line(run: Run, catalog: Catalog) -> None:
    status, text = run("verify", "--offline")
    assert status == 1
    assert text.startswith("clickstream-archive verify: there is no table clickstream.raw in file:///")
    assert text.count("\n") == 1


def test_a_wrong_setting_is_one_line_and_status_2(run: Run) -> None:
    status, text = run("verify", "--from", "tape")
    assert (status, text) == (2, "pytest: VERIFY_FROM=tape (from --from): expected archive or topic\n") or status == 2


def test_a_group_without_results_is_one_line_that_names_those_that_have(
    run: Run, catalog: Catalog, recorded: Recorded
) -> None:
    write_raw(catalog, recorded.messages)
    status, text = run("verify", "--offline", "--group-id", "typo")
    assert status == 1
    expected = "GROUP_ID=typo: this group has no results; expected one of clickstream-processor"
    assert text.splitlines()[-1].endswith(expected)


def test_windows_beyond_the_year_9999_are_judged(run: Run, catalog: Catalog, recorded: Recorded) -> None:
    one, event = middle(recorded, METRICS), middle(recorded, EVENTS)
    fields = {**json.loads(one.value or b""), "window_start": "9999-12-31T23:59:50Z"}
    fields["window_end"] = "9999-12-31T23:59:60Z"
    forged = replace(one, offset=1_000, value=json.dumps(fields).encode())
    late = replace(
        event,
        offset=10_000,
        value=json.dumps({**json.loads(event.value or b""), "timestamp": fields["window_end"]}).encode(),
    )
    write_raw(catalog, recorded.with_more(forged, late).messages)
    status, text = run("verify", "--offline")
    assert "9999-12-31T23:59:50Z → after the year 9999" in text
    assert run("verify", "--offline", "--json")[0] == status == 1
