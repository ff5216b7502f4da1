import pytest

from clickstream_statistics.errors import NotOurs
from clickstream_statistics.ownership import Source, take_possession
from clickstream_statistics.storage import Storage


def take(
    files: Storage,
    checkpoints: str = "file:///c",
    place: str = "file:///p",
    topic: str = "t",
    kafka: str = "k",
    topic_id: str = "i",
) -> None:
    take_possession(files, checkpoints, files, place, Source(topic, kafka, topic_id))


def test_the_same_job_comes_back(files: Storage) -> None:
    take(files)
    take(files)
    take(files, topic_id="")


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"topic": "u"}, "file:///c is for the topic t, not u"),
        ({"kafka": "l"}, r"file:///c is of another Kafka \(cluster k, here l\)"),
        ({"topic_id": "j"}, "t was deleted and made again, and file:///c is of the one before"),
        ({"place": "file:///q"}, "file:///c belongs to file:///p, not to file:///q"),
        ({"checkpoints": "file:///d"}, "file:///p was filled with the checkpoints in file:///c"),
    ],
)
def test_another_job_is_refused(files: Storage, other: dict[str, str], message: str) -> None:
    take(files)
    with pytest.raises(NotOurs, match=message):
        take(files, **other)


def test_results_whose_checkpoints_are_gone_are_not_stored_again(files: Storage) -> None:
    take(files)
    files.delete("file:///c")
    with pytest.raises(NotOurs, match="or records would be stored twice"):
        take(files)
