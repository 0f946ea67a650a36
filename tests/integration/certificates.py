"""Certificates made for a test: an authority, the intermediate that signs in its name, and pairs of
files as certbot leaves them. What a client trusts, and shows of itself, is an SSLContext."""
import datetime
import ipaddress
import ssl

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID


def new_key(kind="ec"):
    if kind == "rsa":
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return ec.generate_private_key(ec.SECP256R1())


def key_pem(key, password=None):
    lock = (serialization.BestAvailableEncryption(password) if password
            else serialization.NoEncryption())
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, lock)


def pem(certificate):
    return certificate.public_bytes(serialization.Encoding.PEM)


class Authority:
    """A root, and what it signs. `via`: the authority above this one."""

    def __init__(self, name, via=None):
        self.name, self.via, self.key = name, via, new_key()
        self.certificate = self._sign(name, self.key, via or self, True, [], None, 365)

    def _sign(self, name, key, issuer, authority, names, serial, days):
        now = datetime.datetime.utcnow()
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        issued_by = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer.name)])
        builder = (x509.CertificateBuilder().subject_name(subject).issuer_name(issued_by)
                   .public_key(key.public_key())
                   .serial_number(serial or x509.random_serial_number())
                   .not_valid_before(now - datetime.timedelta(days=30))
                   .not_valid_after(now + datetime.timedelta(days=days))
                   .add_extension(x509.BasicConstraints(authority, None), critical=True))
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return builder.sign(issuer.key, hashes.SHA256())

    def issue(self, name="livetally.test", serial=None, days=90, kind="ec"):
        """A Pair for 127.0.0.1, ::1 and localhost, with the chain up to but without the root."""
        key = new_key(kind)
        names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
                 x509.IPAddress(ipaddress.ip_address("::1"))]
        chain, above = [self._sign(name, key, self, False, names, serial, days)], self
        while above.via:
            chain.append(above.certificate)
            above = above.via
        return Pair(key, chain)

    def write(self, path):
        path.write_bytes(pem(self.certificate))
        return path


class Pair:
    def __init__(self, key, chain):
        self.key, self.chain = key, chain

    @property
    def serial(self):
        return self.chain[0].serial_number

    def write_certificate(self, path):
        path.write_bytes(b"".join(map(pem, self.chain)))
        return path

    def write_key(self, path, mode=0o600, password=None):
        path.write_bytes(key_pem(self.key, password))
        path.chmod(mode)
        return path

    def write_both(self, path):
        path.write_bytes(b"".join(map(pem, self.chain)) + key_pem(self.key))
        path.chmod(0o600)
        return path


def trusting(*authorities, least=ssl.TLSVersion.TLSv1_2, most=ssl.TLSVersion.MAXIMUM_SUPPORTED,
             pair_file=None, ciphers=None, alpn=None):
    """The SSLContext of a client; pair_file: certificate and key that it shows."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    for authority in authorities:
        context.load_verify_locations(cadata=pem(authority.certificate).decode())
    if ciphers:
        context.set_ciphers(ciphers)
    context.minimum_version, context.maximum_version = least, most
    if pair_file:
        context.load_cert_chain(pair_file)
    if alpn:
        context.set_alpn_protocols(alpn)
    return context
