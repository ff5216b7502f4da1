"""Whose place it is. Results are stored once only if one set of checkpoints, for one topic of one Kafka, fills a place.

`owner.json` in the checkpoints and `_owner.json` in the place of the Parquet are made by the first start, and compared
by each later one.
"""

import uuid
from dataclasses import dataclass

import msgspec

from clickstream_statistics.errors import NotOurs
from clickstream_statistics.storage import Storage


class Owner(msgspec.Struct, frozen=True):
    """What fills a place: checkpoints, by their id and path, with a topic of a Kafka."""

    checkpoints_id: str
    checkpoints: str
    place: str
    topic: str
    kafka: str
    topic_id: str = ""


@dataclass(frozen=True)
class Source:
    """A topic, with the ids of its Kafka's cluster and of the topic itself ("" if Kafka has none)."""

    topic: str
    kafka: str
    topic_id: str


def take_possession(
    checkpoint_storage: Storage, checkpoints: str, place_storage: Storage, place: str, source: Source
) -> None:
    """Make both files, or compare them. Raises NotOurs."""
    topic, kafka = source.topic, source.kafka
    ours = Owner(uuid.uuid4().hex, checkpoints, place, topic, kafka, source.topic_id)
    known = _first(checkpoint_storage, f"{checkpoints}/owner.json", ours)
    if known.topic != topic:
        raise NotOurs(f"{checkpoints} is for the topic {known.topic}, not {topic}: give each topic a place of its own")
    if known.kafka != kafka:
        raise NotOurs(
            f"{checkpoints} is of another Kafka (cluster {known.kafka}, here {kafka}): give this one a place of its own"
        )
    if known.topic_id and source.topic_id and known.topic_id != source.topic_id:
        raise NotOurs(
            f"{topic} was deleted and made again, and {checkpoints} is of the one before: give this one a place of its"
            " own"
        )
    if known.place != place:
        raise NotOurs(f"{checkpoints} belongs to {known.place}, not to {place}: each place needs its own checkpoints")
    held = _first(place_storage, f"{place}/_owner.json", known)
    if held.checkpoints_id != known.checkpoints_id:
        raise NotOurs(
            f"{place} was filled with the checkpoints in {held.checkpoints}, which are not there any more or not those"
            f" of this job: restore them (CHECKPOINTS_TO), or take another place, or records would be stored twice"
        )


def _first(storage: Storage, path: str, owner: Owner) -> Owner:
    storage.create(path, msgspec.json.encode(owner))
    return msgspec.json.decode(storage.read(path) or b"", type=Owner)
