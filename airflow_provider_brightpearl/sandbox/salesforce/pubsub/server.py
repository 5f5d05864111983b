"""The gRPC server of the Pub/Sub API, on a port of its own; TLS with a certificate made for the occasion."""

from __future__ import annotations

import ipaddress
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import grpc
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from airflow_provider_brightpearl.systems.salesforce.pubsub import pubsub_api_pb2_grpc as generated

from ...connections import url_of
from .service import PubSub
from .topics import Topics

MOST_CALLS = 64  # at once; a subscription is one for as long as it lasts


class PubSubServer:
    """A running server.

    Args:
        topics: the topics of the org.
        host: address to listen on.
        port: port to listen on; 0 is any free port.
        tls: TLS, with the certificate in `certificate`.

    Raises:
        OSError: the port is not available.
    """

    def __init__(self, topics: Topics, host: str, port: int, tls: bool) -> None:
        self.certificate = ""  # PEM, to be trusted by clients; empty without TLS
        self._server = grpc.server(
            ThreadPoolExecutor(MOST_CALLS, "pubsub"), options=[("grpc.so_reuseport", 0)]
        )
        generated.add_PubSubServicer_to_server(PubSub(topics), self._server)
        address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        try:
            if tls:
                key, certificate = _self_signed(host)
                self.certificate = certificate.decode()
                credentials = grpc.ssl_server_credentials([(key, certificate)])
                self.port = self._server.add_secure_port(address, credentials)
            else:
                self.port = self._server.add_insecure_port(address)
        except RuntimeError as error:  # gRPC has no other
            raise OSError(f"Pub/Sub API: {error}") from None
        self.address = url_of(host, self.port).removeprefix("http://")
        self._server.start()

    def stop(self) -> None:
        """End all calls, and close the port."""
        self._server.stop(None).wait(5)


def _self_signed(host: str) -> tuple[bytes, bytes]:
    """A key and a certificate for localhost and the host, both as PEM, for a day."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Sandbox of the Pub/Sub API")])
    now = datetime.now(UTC)
    names: list[x509.GeneralName] = [x509.DNSName("localhost")]
    try:
        names.append(x509.IPAddress(ipaddress.ip_address(host)))
    except ValueError:
        names.append(x509.DNSName(host))
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    return (
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ),
        made.public_bytes(serialization.Encoding.PEM),
    )
