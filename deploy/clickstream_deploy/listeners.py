"""Which of Kafka's listeners the apps use.

Without authorization: TLS with a password (SCRAM) is best, then TLS, then no TLS, and client certificates when there is
nothing else. With authorization a client needs a name, so listeners without authentication are of no use (unless the
anonymous clients are super users), and client certificates come before passwords without TLS.
"""

from dataclasses import dataclass

from clickstream_deploy.errors import EndedError
from clickstream_deploy.objects import Manifest, at, name_of
from clickstream_deploy.progress import Progress

FREE, SUPER, REFUSED = "free", "super", "refused"
"""What becomes of clients without a name: there is no authorization, they are super users, or they are refused."""

NONE, SCRAM = "none", "scram-sha-512"


@dataclass(frozen=True)
class Connection:
    """How the apps reach Kafka; `authorizes` says whether users need ACLs."""

    listener: str
    bootstrap_servers: str
    tls: bool
    authentication: str
    authorizes: bool


@dataclass(frozen=True)
class Verdict:
    """A listener's rank, the lowest is the best, None for a useless one; and what it is, or why it is useless."""

    rank: int | None
    words: str


def judge_listener(kind: str, tls: bool, authentication: str, nameless: str) -> Verdict:
    """Rank the listener."""
    if kind not in ("internal", "cluster-ip"):
        return Verdict(None, f"type {kind}, for clients outside of the cluster")
    if authentication == SCRAM:
        return Verdict(1, "TLS with SCRAM-SHA-512") if tls else Verdict(3, "SCRAM-SHA-512 without TLS")
    if tls and authentication == "tls":
        return Verdict(6 if nameless == FREE else 2, "TLS client certificates")
    if authentication != NONE:
        return Verdict(None, f"authentication {authentication}, which the apps don't know")
    if nameless == REFUSED:
        return Verdict(None, "without authentication, which authorization refuses")
    if tls:
        return Verdict(2 if nameless == FREE else 4, "TLS without authentication")
    return Verdict(5, "neither TLS nor authentication")


def choose_listener(kafka: Manifest, namespace: str, progress: Progress) -> Connection:
    """Return the connection by the best listener of a Kafka; says which it is, and why not the others.

    Raises EndedError when there is none.
    """
    nameless = _nameless(kafka)
    judged = []
    for each in at(kafka, "spec", "kafka", "listeners") or []:
        authentication = at(each, "authentication", "type") or NONE
        verdict = judge_listener(each["type"], bool(each.get("tls")), authentication, nameless)
        judged.append((each, verdict, f"{each['name']} ({each['port']}): {verdict.words}"))
    usable = [each for each in judged if each[1].rank is not None]
    best = min(usable, key=lambda each: each[1].rank or 0, default=None)
    others = "; ".join(words for each, _, words in judged if best is None or each is not best[0])
    name = name_of(kafka)
    if best is None:
        reasons = f" ({others})" if others else ""
        raise EndedError(
            f"Kafka {name} has no listener that the apps can use{reasons}: add one of type internal with tls: true and"
            f" authentication scram-sha-512 (kubectl edit kafka {name} -n {namespace})"
        )
    listener, _, words = best
    progress.say(f"Listener {words}")
    if others:
        progress.detail(f"not used: {others}")
    certificate = at(listener, "configuration", "brokerCertChainAndKey", "secretName")
    if certificate:
        progress.detail(
            f"it presents its own certificate (Secret {certificate}): name a Secret with its CA in kafka.tls.caSecret"
            " (--values)"
        )
    return Connection(
        listener=listener["name"],
        bootstrap_servers=_bootstrap_servers(kafka, listener, namespace),
        tls=bool(listener.get("tls")),
        authentication=at(listener, "authentication", "type") or NONE,
        authorizes=nameless != FREE,
    )


def _nameless(kafka: Manifest) -> str:
    authorization = at(kafka, "spec", "kafka", "authorization") or {}
    if not authorization.get("type"):
        return FREE
    return SUPER if "ANONYMOUS" in str(authorization.get("superUsers")) else REFUSED


def _bootstrap_servers(kafka: Manifest, listener: Manifest, namespace: str) -> str:
    """Return the addresses from the Kafka resource, as the short name of the service where that is the same."""
    short, port = f"{name_of(kafka)}-kafka-bootstrap", listener["port"]
    stated = at(kafka, "status", "listeners") or []
    address = next((each.get("bootstrapServers") for each in stated if each.get("name") == listener["name"]), None)
    return f"{short}:{port}" if address in (None, "", f"{short}.{namespace}.svc:{port}") else str(address)
