"""Whether a result's receipt contradicts itself or the result, without counting any event again."""

from clickstream_core.receipts import Receipt


def result_problems(total_events: int, receipt: Receipt) -> list[str]:
    """Return what in a result's receipt contradicts itself or the result."""
    problems = []
    counted = sum(each.counted for each in receipt.values())
    if counted != total_events:
        problems.append(f"its receipt says that {counted} events were counted, the result {total_events}")
    for partition, each in sorted(receipt.items()):
        room = each.last - each.first + 1
        taken = each.counted + sum((each.refused or {}).values())
        if taken > room or (each.counted == 1) != (each.first == each.last):
            problems.append(
                f"its receipt says that {taken} records of partition {partition} were counted or refused at the"
                f" {max(room, 0)} offsets from {each.first} to {each.last}"
            )
    return problems
