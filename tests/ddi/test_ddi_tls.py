"""An update server behind TLS."""

import datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from bench.ddi import Ddi


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """Return (path of the certificate, path of its key, the certificate in DER)."""
    top = tmp_path_factory.mktemp("tls")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    day = datetime.datetime(2020, 1, 1)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(day)
        .not_valid_after(day + datetime.timedelta(days=36500))
        .sign(key, hashes.SHA256())
    )
    (top / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (top / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return top / "cert.pem", top / "key.pem", made.public_bytes(serialization.Encoding.DER)


@pytest.fixture
def secure(certificate):
    server = Ddi(tls=certificate[:2])
    yield server
    server.close()


def test_a_release_comes_over_tls(secure, certificate, make_board, make_release):
    secure.offer(make_release("2.0.0"))
    make_board(secure, {"cafile": "/server.der"}, files={"server.der": certificate[2]})
    secure.told("closed", "success")


def test_another_certificate_gets_no_request(secure, make_board, certificate):
    other = certificate[2][:-8] + bytes(8)
    board = make_board(secure, {"cafile": "/server.der"}, files={"server.der": other})
    board.pico.wait_console("Fleet: ", 60)
    assert not secure.requests
