"""Creates and reads connect tokens and keys, written from docs/security-protocol.md alone.

It reads requests from standard input, one in each line as JSON, and answers each with a line of JSON:

    {"create": {"seed": hex, "client": {"number": "42"} or {"text": "alice"}, "expiry": ms, "id": hex,
                "servers": [key text], "user": hex}}         {"token": text}
    {"read": text, "issuers": [key text], "server": key text, "now": ms}
                                                             {"status": 0 to 5, and the fields}
    {"secret": key text}                                     {"public": key text}

It needs PyNaCl or cryptography (Debian: python3-nacl, python3-cryptography).
"""

import base64
import json
import re
import struct
import sys

try:
    import nacl.bindings
    import nacl.exceptions

    def ed25519_public(seed):
        return nacl.bindings.crypto_sign_seed_keypair(seed)[0]

    def ed25519_sign(seed, message):
        _, secret = nacl.bindings.crypto_sign_seed_keypair(seed)
        return nacl.bindings.crypto_sign(message, secret)[:64]

    def ed25519_verify(public, signature, message):
        try:
            nacl.bindings.crypto_sign_open(signature + message, public)
        except nacl.exceptions.BadSignatureError:
            return False
        return True

    def x25519_public(secret):
        return nacl.bindings.crypto_scalarmult_base(secret)

except ImportError:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ed25519, x25519

    def raw(key):
        return key.public_key().public_bytes(
            serialization.Encoding.Raw, serialization.PublicFormat.Raw
        )

    def ed25519_public(seed):
        return raw(ed25519.Ed25519PrivateKey.from_private_bytes(seed))

    def ed25519_sign(seed, message):
        return ed25519.Ed25519PrivateKey.from_private_bytes(seed).sign(message)

    def ed25519_verify(public, signature, message):
        try:
            ed25519.Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
        except InvalidSignature:
            return False
        return True

    def x25519_public(secret):
        return raw(x25519.X25519PrivateKey.from_private_bytes(secret))


CONTEXT = b"enetjs connect token 1\x00"
MALFORMED, FOREIGN, EXPIRED, OTHER_SERVER = 2, 3, 4, 5
LENGTHS = {
    "host_public": 32,
    "host_secret": 32,
    "issuer_public": 32,
    "issuer_secret": 64,
    "shared_secret": 32,
}


class Malformed(Exception):
    pass


def to_text(prefix, data):
    return prefix + "_" + base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def from_text(prefix, text):
    if not text.startswith(prefix + "_"):
        raise Malformed("prefix")
    body = text[len(prefix) + 1 :]
    if not re.fullmatch(r"[A-Za-z0-9_-]*", body) or len(body) % 4 == 1:
        raise Malformed("alphabet")
    data = base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))
    if to_text(prefix, data) != text:
        raise Malformed("unused bits")
    return data


def key_from_text(prefix, text):
    data = from_text(prefix, text)
    if len(data) != LENGTHS[prefix]:
        raise Malformed("length")
    return data


def create(seed, client, expiry, id, servers, user):
    if "number" in client:
        kind, client_id = 0, struct.pack(">Q", int(client["number"]))
    else:
        kind, client_id = 1, client["text"].encode()
    body = bytes([1]) + ed25519_public(bytes.fromhex(seed)) + struct.pack(">Q", expiry)
    body += bytes.fromhex(id) + bytes([kind, len(client_id)]) + client_id
    body += bytes([len(servers)]) + b"".join(key_from_text("host_public", s) for s in servers)
    body += struct.pack(">H", len(user) // 2) + bytes.fromhex(user)
    return to_text("token", body + ed25519_sign(bytes.fromhex(seed), CONTEXT + body))


def parse(data):
    at = 0

    def take(length):
        nonlocal at
        if at + length > len(data):
            raise Malformed("too short")
        at += length
        return data[at - length : at]

    if take(1)[0] != 1:
        raise Malformed("version")
    token = {"issuer": take(32)}
    (token["expiry"],) = struct.unpack(">Q", take(8))
    if token["expiry"] > 2**53 - 1:
        raise Malformed("expiry")
    token["id"] = take(16)
    kind, length = take(2)
    if kind == 0 and length == 8:
        token["client"] = {"number": str(struct.unpack(">Q", take(8))[0])}
    elif kind == 1 and 1 <= length <= 128:
        try:
            token["client"] = {"text": take(length).decode("utf-8")}
        except UnicodeDecodeError:
            raise Malformed("text")
    else:
        raise Malformed("client id")
    count = take(1)[0]
    if count > 8:
        raise Malformed("servers")
    token["servers"] = [take(32) for _ in range(count)]
    (length,) = struct.unpack(">H", take(2))
    if length > 256:
        raise Malformed("user data")
    token["user"] = take(length)
    signed = CONTEXT + data[:at]
    signature = take(64)
    if at != len(data):
        raise Malformed("too long")
    return token, signed, signature


def read(text, issuers, server, now):
    try:
        token, signed, signature = parse(from_text("token", text))
    except Malformed:
        return {"status": MALFORMED}
    if token["issuer"] not in [key_from_text("issuer_public", i) for i in issuers]:
        return {"status": FOREIGN}
    if not ed25519_verify(token["issuer"], signature, signed):
        return {"status": FOREIGN}
    if now >= token["expiry"]:
        return {"status": EXPIRED}
    if token["servers"] and key_from_text("host_public", server) not in token["servers"]:
        return {"status": OTHER_SERVER}
    return {
        "status": 0,
        "issuer": to_text("issuer_public", token["issuer"]),
        "expiry": token["expiry"],
        "id": token["id"].hex(),
        "client": token["client"],
        "servers": [to_text("host_public", s) for s in token["servers"]],
        "user": token["user"].hex(),
    }


def public_of(text):
    if text.startswith("host"):
        return to_text("host_public", x25519_public(key_from_text("host_secret", text)))
    secret = key_from_text("issuer_secret", text)
    assert ed25519_public(secret[:32]) == secret[32:]
    return to_text("issuer_public", secret[32:])


def answer(request):
    if "create" in request:
        return {"token": create(**request["create"])}
    if "secret" in request:
        return {"public": public_of(request["secret"])}
    return read(request["read"], request["issuers"], request["server"], request["now"])


for line in sys.stdin:
    print(json.dumps(answer(json.loads(line))), flush=True)
