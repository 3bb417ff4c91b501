"""One side of messaging over TCP, written from the documentation of the wire alone.

    messaging_peer.py serve          prints `port N`, and serves one connection after the other
    messaging_peer.py connect PORT   asks a listener that echoes, and prints what comes
"""

import socket
import struct
import sys
import time

VERSION = 1
MESSAGE, REQUEST, REPLY, ERROR, CANCEL, HEARTBEAT, CLOSE = range(1, 8)
BYTES, TEXT, VALUE, NOTHING = range(4)
IDEMPOTENT = 4
CLOSED = int.from_bytes(b"mcls", "big")
HEARTBEAT_SECONDS = 1


def say(*words):
    print(*words, flush=True)


class Connection:
    def __init__(self, stream):
        self.stream = stream
        self.unread = b""
        self.send(HEARTBEAT)
        kind, *_ = self.receive_any()
        assert kind == HEARTBEAT, kind

    def send(self, kind, number=0, body=b"", flags=0):
        header = struct.pack(">BBBBI", VERSION, kind, flags, 0, number)
        self.stream.sendall(struct.pack(">I", len(header) + len(body)) + header + body)
        self.due = time.monotonic() + HEARTBEAT_SECONDS

    def read(self, length):
        while len(self.unread) < length:
            try:
                self.stream.settimeout(max(self.due - time.monotonic(), 0.001))
                chunk = self.stream.recv(65536)
            except socket.timeout:
                self.send(HEARTBEAT)
                continue
            if not chunk:
                raise EOFError
            self.unread += chunk
        taken, self.unread = self.unread[:length], self.unread[length:]
        return taken

    def receive_any(self):
        (length,) = struct.unpack(">I", self.read(4))
        version, kind, flags, zero, number = struct.unpack(">BBBBI", self.read(8))
        assert (version, zero) == (VERSION, 0)
        return kind, number, self.read(length - 8), flags

    def receive(self):
        while True:
            kind, number, body, flags = self.receive_any()
            if kind != HEARTBEAT:
                return kind, number, body, flags

    def get(self, body, flags=TEXT, number=1):
        """Asks, and waits for the answer; nothing else may come before it."""
        self.send(REQUEST, number, body, flags)
        kind, answered, reply, flags = self.receive()
        assert answered == number
        return kind, reply, flags


def answer(connection, number, body, flags):
    """Carries out a request, whose text says how; returns whether the connection goes on."""
    if body == b"refuse":
        connection.send(ERROR, number, struct.pack(">I", 404) + "not hére".encode())
    elif body == b"wait":
        say("waiting", "idempotent" if flags & IDEMPOTENT else "once")
    elif body == b"ask back":
        kind, reply, kept = connection.get(b"\0\xff", BYTES, number=0xFFFFFFFF)
        assert (kind, kept) == (REPLY, BYTES)
        connection.send(REPLY, number, reply, BYTES)
    elif body == b"misbehave":
        connection.send(99)
    elif body == b"close":
        connection.send(CLOSE, CLOSED)
        return False
    elif body == b"vanish":
        return False
    else:
        connection.send(REPLY, number, body, flags & ~IDEMPOTENT)
    return True


def serve_one(connection):
    """Serves a connection until one side ends it; returns how it ended."""
    while True:
        try:
            kind, number, body, flags = connection.receive()
        except EOFError:
            return "lost"
        if kind == REQUEST:
            if not answer(connection, number, body, flags):
                return body.decode()
        elif kind == MESSAGE:
            connection.send(MESSAGE, 0, body, flags)
        elif kind == CANCEL:
            say("cancelled", number)
        elif kind == CLOSE:
            return "closed " + number.to_bytes(4, "big").decode()


def serve():
    with socket.create_server(("127.0.0.1", 0)) as server:
        say("port", server.getsockname()[1])
        while True:
            with server.accept()[0] as stream:
                say("end", serve_one(Connection(stream)))


def connect(port):
    connection = Connection(socket.create_connection(("127.0.0.1", port)))
    say("ready")
    for body, flags in [("grüße".encode(), TEXT), (bytes(range(256)), BYTES), (b"[1]", VALUE), (b"", NOTHING)]:
        assert connection.get(body, flags) == (REPLY, body, flags)
    say("echoed")
    kind, body, _ = connection.get(b"refuse")
    say("refused", *struct.unpack(">I", body[:4]), body[4:].decode())
    assert kind == ERROR
    kind, body, _ = connection.get(b"throw")
    assert kind == ERROR
    say("threw", body[:4].decode(), body[4:].decode())
    # The second request is answered before the first, which is cancelled.
    connection.send(REQUEST, 7, b"wait", TEXT | IDEMPOTENT)
    assert connection.get(b"now", TEXT, 8) == (REPLY, b"now", TEXT)
    connection.send(CANCEL, 7)
    connection.send(MESSAGE, 0, b"one way", TEXT)
    say("message", *connection.receive()[:3])
    # A type that there is not ends this connection.
    connection.send(99)
    kind, number, body, _ = connection.receive()
    assert (kind, body) == (CLOSE, b"")
    say("closed", number.to_bytes(4, "big").decode())
    try:
        connection.read(1)
    except EOFError:
        say("over")


if sys.argv[1] == "serve":
    serve()
else:
    connect(int(sys.argv[2]))
