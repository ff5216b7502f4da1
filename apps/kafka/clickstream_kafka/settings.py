"""How to reach Kafka, and which topics hold what; the same settings for kafka-python and aiokafka.

Certificates and passwords are read when the settings are checked, so a missing file ends the program with one line
before it connects. If a file is just being written, the program waits for it. Both libraries verify the broker's
certificate in the same way: host name, chain, TLS 1.2 or newer.
"""

import contextlib
import re
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from clickstream_core.errors import IncompleteFiles, SettingsError
from clickstream_core.settings import choice, matching, path, setting, text
from clickstream_kafka.passwords import Password
from clickstream_kafka.tls import RenewedContext, why_incomplete

_PLAIN = "PLAIN"
_MECHANISMS = (_PLAIN, "SCRAM-SHA-256", "SCRAM-SHA-512")
_MISMATCH = "KEY_VALUES_MISMATCH"
_HOST_AND_PORT = r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):([0-9]{1,5})"


def bootstrap_servers(value: str) -> tuple[str, ...]:
    """One or more `host:port`, separated by commas."""
    servers = tuple(server.strip() for server in value.split(","))
    for server in servers:
        match = re.fullmatch(_HOST_AND_PORT, server)
        if match is None:
            raise ValueError("expected host:port, or several separated by commas")
        if not 0 < int(match[2]) < 65536:
            raise ValueError("expected host:port with a port between 1 and 65535")
    return servers


topic_name = matching(
    r"(?!\.{1,2}$)[A-Za-z0-9._-]{1,249}", "a topic name: up to 249 letters, digits, dots, underscores and hyphens"
)


@dataclass(frozen=True)
class KafkaSettings:
    """The connection to Kafka: plaintext, SASL (PLAIN or SCRAM), TLS, and TLS with a client certificate."""

    bootstrap_servers: tuple[str, ...] = setting(
        "KAFKA_BOOTSTRAP_SERVERS",
        parse=bootstrap_servers,
        default="localhost:9092",
        help="brokers to ask for the cluster, host:port,...",
    )
    security_protocol: str = setting(
        "KAFKA_SECURITY_PROTOCOL",
        parse=choice("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"),
        default="PLAINTEXT",
        help="PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL",
    )
    sasl_mechanism: str | None = setting(
        "KAFKA_SASL_MECHANISM", parse=choice(*_MECHANISMS), help="PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512"
    )
    sasl_username: str | None = setting("KAFKA_SASL_USERNAME", parse=text, help="user name for SASL")
    sasl_password: Password | None = setting(
        "KAFKA_SASL_PASSWORD", parse=Password, help="password for SASL; other users of the machine can see a flag"
    )
    sasl_password_file: Password | None = setting(
        "KAFKA_SASL_PASSWORD_FILE",
        parse=lambda value: Password.from_file(Path(value)),
        help="file with the password for SASL, read again at each new connection",
    )
    ssl_cafile: Path | None = setting(
        "KAFKA_SSL_CAFILE", parse=path, help="PEM file with the CA certificates of the brokers; without it the system's"
    )
    ssl_certfile: Path | None = setting("KAFKA_SSL_CERTFILE", parse=path, help="PEM file with the client's certificate")
    ssl_keyfile: Path | None = setting("KAFKA_SSL_KEYFILE", parse=path, help="PEM file with the certificate's key")

    @property
    def uses_sasl(self) -> bool:
        return self.security_protocol.startswith("SASL_")

    @property
    def uses_tls(self) -> bool:
        return self.security_protocol.endswith("SSL")

    def validate(self) -> None:
        """Raise SettingsError for combinations that no broker accepts, or of which a part would have no effect."""
        protocol = f"KAFKA_SECURITY_PROTOCOL={self.security_protocol}"
        unused = [] if self.uses_sasl else [("sasl_", "SASL_PLAINTEXT")]
        unused += [] if self.uses_tls else [("ssl_", "SSL")]
        for prefix, remedy in unused:
            for name, value in vars(self).items():
                if value and name.startswith(prefix):
                    raise SettingsError(
                        f"KAFKA_{name.upper()} has no effect with {protocol}:"
                        f" set KAFKA_SECURITY_PROTOCOL to {remedy} or SASL_SSL"
                    )
        if self.uses_sasl:
            if self.sasl_mechanism is None:
                raise SettingsError(
                    f"KAFKA_SASL_MECHANISM is not set: {protocol} needs one of {', '.join(_MECHANISMS)}"
                )
            if self.sasl_username is None:
                raise SettingsError(f"KAFKA_SASL_USERNAME is not set: {protocol} needs a user name")
            if (self.sasl_password is None) == (self.sasl_password_file is None):
                raise SettingsError(
                    f"{protocol} needs KAFKA_SASL_PASSWORD or KAFKA_SASL_PASSWORD_FILE, exactly one of the two;"
                    f" {'neither' if self.sasl_password is None else 'both'} is set"
                )
        if self.uses_tls:
            with contextlib.suppress(IncompleteFiles):
                self.ssl_context()

    def kafka_python_config(self) -> dict[str, Any]:
        """Return the keyword arguments for KafkaProducer, KafkaConsumer and KafkaAdminClient.

        Raises SettingsError as long as certificate files that are being written have never been complete: try again.
        """
        if self.uses_tls:
            self._renewed_context.present()
        return self.aiokafka_config()

    def aiokafka_config(self) -> dict[str, Any]:
        """Return the keyword arguments for aiokafka's clients; the kstreams backend takes the same names.

        Renewed certificates and, with the patches for the library, passwords are used from the next connection on.
        Connections fail with SSLError as long as certificate files that are being written have never been complete.
        """
        config: dict[str, Any] = {
            "bootstrap_servers": list(self.bootstrap_servers),
            "security_protocol": self.security_protocol,
        }
        if self.uses_tls:
            config["ssl_context"] = self._renewed_context
        if self.uses_sasl:
            config["sasl_mechanism"] = self.sasl_mechanism
            config["sasl_plain_username"] = self.sasl_username
            config["sasl_plain_password"] = self.sasl_password_file or self.sasl_password
        return config

    def ssl_context(self) -> ssl.SSLContext:
        """Return a client's TLS context with the CA and, for mTLS, the client's certificate.

        Raises SettingsError that names the setting and the file that OpenSSL refuses; IncompleteFiles if the files seem
        to be in the middle of being written: one is empty or truncated, or the key belongs to another certificate.
        """
        # Not ssl.create_default_context: from Python 3.13 on it refuses CA certificates without an authority key
        # identifier, which working clusters use.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if self.ssl_cafile is None:
            context.load_default_certs()
        else:
            expected = f"KAFKA_SSL_CAFILE={self.ssl_cafile}: expected a PEM file with CA certificates"
            with _refusals_explained(expected, self.ssl_cafile):
                context.load_verify_locations(self.ssl_cafile)
        if self.ssl_certfile is None and self.ssl_keyfile is None:
            return context
        if self.ssl_certfile is None or self.ssl_keyfile is None:
            missing = "KAFKA_SSL_CERTFILE" if self.ssl_certfile is None else "KAFKA_SSL_KEYFILE"
            raise SettingsError(f"{missing} is not set: a client certificate needs both the certificate and its key")
        expected = (
            f"KAFKA_SSL_CERTFILE={self.ssl_certfile}, KAFKA_SSL_KEYFILE={self.ssl_keyfile}:"
            " expected a PEM certificate and its PEM key without passphrase"
        )
        with _refusals_explained(expected, self.ssl_certfile, self.ssl_keyfile):
            context.load_cert_chain(self.ssl_certfile, self.ssl_keyfile, password=_refuse_passphrase)
        return context

    @cached_property
    def _renewed_context(self) -> RenewedContext:
        return RenewedContext(self.ssl_context, self._certificates())

    def _certificates(self) -> list[Path]:
        return [file for file in (self.ssl_cafile, self.ssl_certfile, self.ssl_keyfile) if file is not None]


class DistinctTopics:
    """A settings class of topics, of which no two may be the same."""

    def validate(self) -> None:
        seen: dict[str, str] = {}
        for field_name, topic in vars(self).items():
            role = field_name.upper()
            if topic in seen:
                raise SettingsError(f"{role}={topic}: expected a topic other than that of {seen[topic]}")
            seen[topic] = role


def _topic(name: str, default: str, help: str) -> str:
    return setting(name, parse=topic_name, default=default, help=help)


@dataclass(frozen=True)
class TopicSettings(DistinctTopics):
    """All topics of the pipeline, as the processor uses them; other apps declare those that they use."""

    events_topic: str = _topic("EVENTS_TOPIC", "clickstream-events", "topic of the events")
    metrics_topic: str = _topic("METRICS_TOPIC", "clickstream-metrics", "topic of the windows' metrics")
    partials_topic: str = _topic(
        "PARTIALS_TOPIC", "clickstream-window-partials", "topic of the processor's own intermediate results"
    )
    dead_letter_topic: str = _topic(
        "DEAD_LETTER_TOPIC", "clickstream-dead-letters", "topic of the events that could not be counted"
    )


def _refuse_passphrase() -> str:
    raise ssl.SSLError(0, "the key is encrypted")


@contextlib.contextmanager
def _refusals_explained(expected: str, *files: Path) -> Iterator[None]:
    """Turn OpenSSL's error about these files into one of ours."""
    try:
        yield
    except OSError as error:
        reason = getattr(error, "reason", None) or error.strerror or str(error)
        incomplete = next(filter(None, map(why_incomplete, files)), "")
        if reason == _MISMATCH:
            incomplete = f"the key belongs to another certificate, {reason}: write both again"
        refusal = IncompleteFiles if incomplete else SettingsError
        raise refusal(f"{expected} ({incomplete or reason})") from error
