"""What goes wrong in production, made to happen: to replicas of the processor, to the broker, to a group's offsets."""

import random
import resource
import time
from collections.abc import Callable, Sequence
from itertools import cycle

from kafka import KafkaAdminClient, OffsetAndMetadata, TopicPartition
from kafka.errors import KafkaError

from clickstream_local.broker import Broker
from kit.poll import eventually
from kit.processes import App, Apps
from kit.topics import PipelineTopics, committed

_SESSION_TIMEOUT_S = 10.0
_TRANSACTIONS_TRIED = 50
_LONGEST_TRANSACTION_S = 40.0
"""Seconds within which the broker has aborted what is over its time of 10 s: it looks every 10 s."""


class Replicas:
    """The running replicas of one group; `counts` are how many there are after one rescaling and the next."""

    def __init__(self, apps: Apps, topics: PipelineTopics, settings: dict[str, str], counts: Sequence[int]) -> None:
        self.topics = topics
        self.running: list[App] = []
        self._apps = apps
        self._settings = settings
        self._counts = cycle(counts)

    def scale(self, count: int) -> None:
        """Start or stop (SIGTERM, exit status 0) replicas until `count` run."""
        while len(self.running) > count:
            oldest = self.running.pop(0)
            oldest.wait_for_output("Starting Clickstream Analytics Processor")  # before that nothing handles SIGTERM
            oldest.stop()
        while len(self.running) < count:
            self.running.append(
                self._apps.start("clickstream_streams.main", environ=self.topics.environ, **self._settings)
            )

    def rescale(self) -> None:
        """Go on to the next count that is another one."""
        self.scale(next(each for each in self._counts if each != len(self.running)))

    def replace(self, app: App) -> None:
        """Kill one (kill -9) and start another, as Kubernetes would."""
        self.running.remove(app)
        app.kill()
        self.scale(len(self.running) + 1)

    def assert_none_ended(self) -> None:
        """None of them may have ended by itself: a fault is no reason to."""
        for app in self.running:
            assert app.child.running, f"{app.child.name} ended by itself; {app.describe()}"


class Faults:
    """The faults, drawn at random; `inject` makes one happen and returns what it did, in words.

    What happens to replicas happens to those of one group, drawn each time; the broker is everybody's.
    """

    def __init__(self, groups: Sequence[Replicas], broker: Broker, draw: random.Random) -> None:
        self._groups = groups
        self._replicas = groups[0]
        self._broker = broker
        self._draw = draw
        self.kinds: dict[str, tuple[int, Callable[[], str]]] = {
            "kill": (10, self._kill),
            "kill all": (3, self._kill_all),
            "brief pause": (4, self._brief_pause),
            "zombie": (4, self._zombie),
            "rescale": (6, self._rescale),
            "restart the broker": (2, self._restart_broker),
            "kill the broker": (2, self._kill_broker),
            "freeze the broker": (2, self._freeze_broker),
            "fill the disk": (2, self._fill_disk),
            "reset the merge": (2, self._reset_merge),
            "let a transaction time out": (2, self._time_out_a_transaction),
        }

    def inject(self, kind: str | None = None) -> str:
        """Make a fault of the given kind, or of one drawn by weight, happen."""
        if kind is None:
            weights = [weight for weight, _ in self.kinds.values()]
            kind = self._draw.choices(list(self.kinds), weights=weights)[0]
        self._replicas = self._draw.choice(self._groups)
        return f"{kind}: {self.kinds[kind][1]()}"

    @property
    def _topics(self) -> PipelineTopics:
        return self._replicas.topics

    def _victim(self) -> App:
        return self._draw.choice(self._replicas.running)

    def _kill(self) -> str:
        victim = self._victim()
        self._replicas.replace(victim)
        return victim.child.name

    def _kill_all(self) -> str:
        victims = list(self._replicas.running)
        for victim in victims:
            victim.kill()
        for victim in victims:
            self._replicas.replace(victim)
        return f"{len(victims)} replicas"

    def _brief_pause(self) -> str:
        return self._pause(self._draw.uniform(0.5, 4))

    def _zombie(self) -> str:
        """Pause one so long that another one takes over what it still believes to own."""
        self._replicas.scale(max(2, len(self._replicas.running)))
        for app in self._replicas.running:
            app.wait_until_ready(120)
        return self._pause(_SESSION_TIMEOUT_S + self._draw.uniform(1, 6))

    def _pause(self, seconds: float) -> str:
        victim = self._victim()
        victim.pause()
        try:
            time.sleep(seconds)
        finally:
            victim.resume()
        return f"{victim.child.name} for {seconds:.1f} s"

    def _rescale(self) -> str:
        before = len(self._replicas.running)
        self._replicas.rescale()
        return f"{before} -> {len(self._replicas.running)} of {self._topics.group_id}"

    def _restart_broker(self) -> str:
        self._broker.stop()
        away = self._draw.uniform(0, 12)
        time.sleep(away)
        self._broker.start()
        return f"away for {away:.1f} s"

    def _kill_broker(self) -> str:
        self._broker.kill()
        self._broker.start()
        return "and start it again"

    def _freeze_broker(self) -> str:
        seconds = self._draw.uniform(1, 15)
        self._broker.pause()
        try:
            time.sleep(seconds)
        finally:
            self._broker.resume()
        return f"for {seconds:.1f} s"

    def _fill_disk(self) -> str:
        """From one moment on no write succeeds, as on a full disk; the broker gives up, and is started with room."""
        pid = self._broker.child.pid
        _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, hard))
        ended = self._broker.child.wait(30.0)
        self._broker.kill()
        self._broker.start()
        return f"the broker ended by itself with {ended}" if ended is not None else "the broker had to be killed"

    def _reset_merge(self) -> str:
        """What kafka-consumer-groups.sh does with --reset-offsets and --delete: the group must have no members."""
        count = len(self._replicas.running)
        self._replicas.scale(0)
        group, partition = f"{self._topics.group_id}-merge", TopicPartition(self._topics.partials, 0)
        how = self._draw.choice(["to the beginning", "to where it is", "deleted"])
        offset = 0
        if how == "to where it is":
            offset = committed(self._topics.bootstrap_servers, group, self._topics.partials)[0]
        with KafkaAdminClient(bootstrap_servers=self._topics.bootstrap_servers) as admin:

            def reset() -> bool:
                try:
                    if how == "deleted":
                        assert admin.delete_groups([group])[group] == "OK"
                    else:
                        admin.alter_group_offsets(group, {partition: OffsetAndMetadata(offset, "", -1)})
                except KafkaError as error:
                    raise AssertionError(f"could not reset the offsets: {error!r}") from error
                return True

            eventually(reset, deadline_seconds=30, every=0.5)
        self._replicas.scale(count)
        return f"{how}, without metadata"

    def _time_out_a_transaction(self) -> str:
        """Freeze all replicas while one of them is in a transaction, until the broker has aborted it.

        All, because another one would take over the partition and end the transaction as its successor.
        """
        try:
            for _ in range(_TRANSACTIONS_TRIED):
                eventually(self._frozen_in_a_transaction, deadline_seconds=60, every=0.05)
                since = time.monotonic()
                eventually(lambda: not self._open_transactions(), deadline_seconds=_LONGEST_TRANSACTION_S, every=0.2)
                held = time.monotonic() - since
                if held >= 2:  # else its commit was on its way already
                    return f"after {held:.1f} s"
                self._resume_all()
        finally:
            self._resume_all()
        raise AssertionError(f"each of {_TRANSACTIONS_TRIED} transactions was committed though its replica was frozen")

    def _frozen_in_a_transaction(self) -> bool:
        for app in self._replicas.running:
            app.pause()
        if self._open_transactions():
            return True
        self._resume_all()
        return False

    def _resume_all(self) -> None:
        for app in self._replicas.running:
            app.resume()

    def _open_transactions(self) -> bool:
        with KafkaAdminClient(bootstrap_servers=self._topics.bootstrap_servers) as admin:
            listed = admin.list_transactions(state_filters=["Ongoing"])
        own = (f"{self._topics.group_id}-events-", f"{self._topics.group_id}-merge")
        return any(each.transactional_id.startswith(own) for found in listed.values() for each in found)
