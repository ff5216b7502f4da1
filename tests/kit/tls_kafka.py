"""A Kafka with mutual TLS, whose own certificate can be replaced."""

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Self

from clickstream_local.broker import Broker
from clickstream_local.ports import free_port


class TlsKafka(AbstractContextManager["TlsKafka"]):
    """A broker with a TLS listener; its plain listener is the administrator's. For a with statement.

    It presents the server's certificate of the last folder given, and accepts clients whose certificate was signed by
    the CA of one of the `trusted` folders (see `write_certificates`).
    """

    def __init__(self, directory: Path, *trusted: Path, java: Path, jars: tuple[Path, ...]) -> None:
        ports = {name: free_port() for name in ("PLAINTEXT", "CONTROLLER", "TLS")}
        addresses = ",".join(f"{name}://127.0.0.1:{port}" for name, port in ports.items())
        self.address = f"127.0.0.1:{ports['TLS']}"
        self._key_store = directory / "server.pem"
        self._show(trusted[0])
        trust_store = directory / "trusted.pem"
        trust_store.write_bytes(b"".join((folder / "ca.crt").read_bytes() for folder in trusted))
        self.broker = Broker(
            directory / "kafka",
            java=java,
            jars=jars,
            port=ports["PLAINTEXT"],
            properties={
                "listeners": addresses,
                "advertised.listeners": addresses,
                "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,TLS:SSL",
                "controller.quorum.bootstrap.servers": f"127.0.0.1:{ports['CONTROLLER']}",
                "ssl.keystore.type": "PEM",
                "ssl.keystore.location": str(self._key_store),
                "ssl.truststore.type": "PEM",
                "ssl.truststore.location": str(trust_store),
                "listener.name.tls.ssl.client.auth": "required",
            },
        )

    def __enter__(self) -> Self:
        self.broker.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.broker.stop()

    def restart_with(self, certificates: Path) -> None:
        """Restart it with the server's certificate of this folder."""
        self.broker.stop()
        self._show(certificates)
        self.broker.start()

    def _show(self, certificates: Path) -> None:
        self._key_store.write_bytes(
            (certificates / "server.key").read_bytes() + (certificates / "server.crt").read_bytes()
        )
