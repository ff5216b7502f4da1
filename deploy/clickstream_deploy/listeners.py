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


def judge_listener(kind: str, tls: bool, authentication: str, nameless: str) -> tuple[int | None, str]:
    """Return the listener's rank, the lowest is the best, None for a useless one; and what it is, or why useless."""
    if kind not in ("internal", "cluster-ip"):
        return None, f"type {kind}, for clients outside of the cluster"
    if authentication == SCRAM:
        return (1, "TLS with SCRAM-SHA-512") if tls else (3, "SCRAM-SHA-512 without TLS")
    if tls and authentication == "tls":
        return 6 if nameless == FREE else 2, "TLS client certificates"
    if authentication != NONE:
        return None, f"authentication {authentication}, which the apps don't know"
    if nameless == REFUSED:
        return None, "without authentication, which authorization refuses"
    if tls:
        return 2 if nameless == FREE else 4, "TLS without authentication"
    return 5, "neither TLS nor authentication"


def choose_listener(kafka: Manifest, namespace: str, progress: Progress) -> Connection:
    """Return the connection by the best listener of a Kafka; says which it is, and why not the others.

    Raises EndedError when there is none.
    """
    name, nameless = name_of(kafka), _nameless(kafka)
    words, ranked = {}, []
    for each in at(kafka, "spec", "kafka", "listeners") or []:
        rank, what = judge_listener(each["type"], bool(each.get("tls")), _authentication(each), nameless)
        words[each["name"]] = f"{each['name']} ({each['port']}): {what}"
        ranked += [] if rank is None else [(rank, each)]
    if not ranked:
        reasons = f" ({'; '.join(words.values())})" if words else ""
        raise EndedError(
            f"Kafka {name} has no listener that the apps can use{reasons}: add one of type internal with tls: true and"
            f" authentication scram-sha-512 (kubectl edit kafka {name} -n {namespace})"
        )
    _, best = min(ranked, key=lambda each: each[0])
    progress.say(f"Listener {words.pop(best['name'])}")
    if words:
        progress.detail(f"not used: {'; '.join(words.values())}")
    certificate = at(best, "configuration", "brokerCertChainAndKey", "secretName")
    if certificate:
        own = f"it presents its own certificate (Secret {certificate})"
        progress.detail(f"{own}: name a Secret with its CA in kafka.tls.caSecret (--values)")
    return Connection(
        listener=best["name"],
        bootstrap_servers=_bootstrap_servers(kafka, best, namespace),
        tls=bool(best.get("tls")),
        authentication=_authentication(best),
        authorizes=nameless != FREE,
    )


def _authentication(listener: Manifest) -> str:
    return at(listener, "authentication", "type") or NONE


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
