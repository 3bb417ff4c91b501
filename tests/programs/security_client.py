"""The client's side of encrypted connections, written from docs/security-protocol.md alone.

It is a tunnel: a plain ENet client sends to the port that it prints, and what that client sends travels in one session
to the server. It reads a line of JSON with the server's port and keys as text, "aes" and the "cookie" of a session before. It prints
lines of JSON:

    {"port": ...}                                   before the handshake
    {"open": true, "cookie": text} or {"status": number}    after it
    {"moved": port}        after a line "move": it sends from another port from now on
    {"rekeyed": epoch}     after a line "rekey": it has begun a new epoch

It needs PyNaCl or cryptography (Debian: python3-nacl, python3-cryptography).
"""

import base64
import hashlib
import hmac
import json
import os
import select
import socket
import struct
import sys
import time

try:
    import nacl.bindings as sodium

    def dh(secret, public):
        return sodium.crypto_scalarmult(secret, public)

    def public_of(secret):
        return sodium.crypto_scalarmult_base(secret)

    def encrypt(key, nonce, ad, plain):
        return sodium.crypto_aead_chacha20poly1305_ietf_encrypt(plain, ad, nonce, key)

    def decrypt(key, nonce, ad, sealed):
        try:
            return sodium.crypto_aead_chacha20poly1305_ietf_decrypt(sealed, ad, nonce, key)
        except Exception:
            return None

except ImportError:
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import x25519
    from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

    def dh(secret, public):
        key = x25519.X25519PrivateKey.from_private_bytes(secret)
        return key.exchange(x25519.X25519PublicKey.from_public_bytes(public))

    def public_of(secret):
        key = x25519.X25519PrivateKey.from_private_bytes(secret).public_key()
        return key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)

    def encrypt(key, nonce, ad, plain):
        return ChaCha20Poly1305(key).encrypt(nonce, plain, ad)

    def decrypt(key, nonce, ad, sealed):
        try:
            return ChaCha20Poly1305(key).decrypt(nonce, sealed, ad)
        except InvalidTag:
            return None


try:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
except ImportError:
    AESGCM = None


class Chacha:
    @staticmethod
    def nonce_of(counter):
        return bytes(4) + struct.pack("<Q", counter)

    encrypt = staticmethod(encrypt)
    decrypt = staticmethod(decrypt)


class Aes:
    @staticmethod
    def nonce_of(counter):
        return bytes(4) + struct.pack(">Q", counter)

    @staticmethod
    def encrypt(key, nonce, ad, plain):
        return AESGCM(key).encrypt(nonce, plain, ad)

    @staticmethod
    def decrypt(key, nonce, ad, sealed):
        try:
            return AESGCM(key).decrypt(nonce, sealed, ad)
        except Exception:
            return None


HELLO, RETRY, REPLY, DATA, CONTROL = 0x0F, 0x1F, 0x2F, 0x3F, 0x4F
NK, NKPSK0, IK = 0, 1, 2
NAMES = {NK: "NK", NKPSK0: "NKpsk0", IK: "IK"}


nonce_of = Chacha.nonce_of


class Noise:
    """The initiator."""

    def __init__(self, pattern, prologue, server_key, psk, own):
        self.pattern, self.rs, self.psk, self.s = pattern, server_key, psk, own
        name = f"Noise_{NAMES[pattern]}_25519_ChaChaPoly_BLAKE2b".encode()
        self.h = self.ck = name.ljust(64, b"\0")
        self.k = None
        self.n = 0
        self.mix_hash(prologue)
        self.mix_hash(server_key)
        self.e = os.urandom(32)

    def mix_hash(self, data):
        self.h = hashlib.blake2b(self.h + data).digest()

    def hkdf(self, key, count):
        temporary = hmac.new(self.ck, key, hashlib.blake2b).digest()
        outputs, last = [], b""
        for i in range(count):
            last = hmac.new(temporary, last + bytes([i + 1]), hashlib.blake2b).digest()
            outputs.append(last)
        return outputs

    def mix_key(self, key):
        self.ck, k = self.hkdf(key, 2)
        self.k, self.n = k[:32], 0

    def seal(self, plain):
        sealed = encrypt(self.k, nonce_of(self.n), self.h, plain)
        self.n += 1
        self.mix_hash(sealed)
        return sealed

    def mix_ephemeral(self, public):
        self.mix_hash(public)
        if self.pattern == NKPSK0:
            self.mix_key(public)

    def first(self, payload):
        if self.pattern == NKPSK0:
            self.ck, mixed, k = self.hkdf(self.psk, 3)
            self.mix_hash(mixed)
            self.k, self.n = k[:32], 0
        public = public_of(self.e)
        self.mix_ephemeral(public)
        self.mix_key(dh(self.e, self.rs))
        message = public
        if self.pattern == IK:
            message += self.seal(public_of(self.s))
            self.mix_key(dh(self.s, self.rs))
        return message + self.seal(payload)

    def second(self, message):
        public, sealed = message[:32], message[32:]
        self.mix_ephemeral(public)
        self.mix_key(dh(self.e, public))
        if self.pattern == IK:
            self.mix_key(dh(self.s, public))
        return decrypt(self.k, nonce_of(self.n), self.h, sealed)

    def split(self):
        client, server = self.hkdf(b"", 2)
        return client[:32], server[:32]


def bytes_of(text, prefix):
    assert text.startswith(prefix + "_"), prefix
    text = text[len(prefix) + 1 :]
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


class Client:
    def __init__(self, setup):
        self.server = ("127.0.0.1", setup["port"])
        self.socket = self.open()
        self.index = struct.pack(">I", struct.unpack(">I", os.urandom(4))[0] & 0x7FFFFFFF)
        own = setup.get("secretKey") and bytes_of(setup["secretKey"], "host_secret")
        psk = setup.get("psk") and bytes_of(setup["psk"], "shared_secret")
        token = bytes_of(setup["token"], "token") if setup.get("token") else b""
        pattern = NKPSK0 if psk else IK if own else NK
        header = bytes([HELLO, 1, pattern, 0]) + self.index
        server_key = bytes_of(setup["serverKey"], "host_public")
        self.noise = Noise(pattern, b"enetjs security 1" + header, server_key, psk, own)
        self.aes = bool(setup.get("aes"))
        payload = struct.pack(">HB", len(token), self.aes) + token
        payload = payload.ljust(256, b"\0")
        cookie = bytes.fromhex(setup.get("cookie", "00" * 16))
        self.hello = [header, cookie, self.noise.first(payload)]
        self.open_keys = None
        self.number = 0
        self.epoch = 0
        self.seen = set()

    @staticmethod
    def open():
        opened = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        opened.bind(("127.0.0.1", 0))
        return opened

    def send_hello(self):
        self.socket.sendto(b"".join(self.hello), self.server)

    def handshake(self):
        """Returns the status."""
        wait = 0.25
        self.send_hello()
        end = time.monotonic() + 10
        while time.monotonic() < end:
            if not select.select([self.socket], [], [], wait)[0]:
                wait = min(2 * wait, 1)
                self.send_hello()
                continue
            data, source = self.socket.recvfrom(2048)
            if source != self.server or data[4:8] != self.index:
                continue
            if data[0] == RETRY and len(data) == 24:
                self.hello[1] = data[8:]
                self.send_hello()
            elif data[0] == REPLY and len(data) == 80 and data[2] == self.hello[0][2]:
                payload = self.noise.second(data[8:])
                if payload is None:
                    raise SystemExit("the REPLY is not authentic")
                self.remote, status, cipher = payload[:4], payload[4], payload[5]
                if cipher > self.aes:
                    raise SystemExit("a cipher that was not offered")
                self.cipher = Aes if cipher else Chacha
                self.cookie = payload[8:]
                self.sending, self.receiving = self.noise.split()
                return status
        raise SystemExit("no REPLY")

    def seal(self, kind, plain):
        counter = self.epoch << 60 | self.number
        self.number += 1
        header = bytes([kind]) + self.remote + struct.pack(">Q", counter)
        sealed = self.cipher.encrypt(self.sending, self.cipher.nonce_of(counter), header, plain)
        self.socket.sendto(header + sealed, self.server)

    def rekey(self):
        """A new epoch of what this side sends."""
        nonce = self.cipher.nonce_of(2**64 - 1)
        self.sending = self.cipher.encrypt(self.sending, nonce, b"", bytes(32))[:32]
        self.epoch = (self.epoch + 1) % 16

    def take(self):
        """Returns an ENet datagram, or None."""
        data = self.socket.recv(4096)
        if len(data) < 29 or data[0] not in (DATA, CONTROL) or data[1:5] != self.index:
            return None
        counter = struct.unpack(">Q", data[5:13])[0]
        if counter in self.seen:
            return None
        nonce = self.cipher.nonce_of(counter)
        plain = self.cipher.decrypt(self.receiving, nonce, data[:13], data[13:])
        if plain is None:
            return None
        self.seen.add(counter)
        if data[0] == DATA:
            return plain
        if len(plain) == 5 and plain[0] == 1:
            self.seal(CONTROL, b"\x02" + plain[1:])
        return None

    def move(self):
        self.socket.close()
        self.socket = self.open()
        return self.socket.getsockname()[1]


def say(**line):
    print(json.dumps(line), flush=True)


def main():
    client = Client(json.loads(sys.stdin.readline()))
    plain = Client.open()
    say(port=plain.getsockname()[1])
    status = client.handshake()
    if status != 0:
        say(status=status)
        return
    say(open=True, cookie=client.cookie.hex(), aes=client.cipher is Aes)
    source = None
    while True:
        for ready in select.select([plain, client.socket, sys.stdin], [], [])[0]:
            if ready is plain:
                data, source = plain.recvfrom(4096)
                client.seal(DATA, data)
            elif ready is sys.stdin:
                line = sys.stdin.readline()
                if line == "":
                    return
                if line.strip() == "move":
                    say(moved=client.move())
                elif line.strip() == "rekey":
                    client.rekey()
                    say(rekeyed=client.epoch)
                break
            elif ready is client.socket:
                data = client.take()
                if data is not None and source is not None:
                    plain.sendto(data, source)


main()
