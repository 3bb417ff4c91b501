"""A chat for browsers whose server is this program: the other side of `enet gateway --strict`.

    python3 chat.py npx @enetjs/enet gateway --std --strict --port 7890

Open two pages, and type in their consoles:

    socket = new WebSocket("ws://127.0.0.1:7890")
    socket.onmessage = ({ data }) => console.log(data)
    socket.send("hello")

Each client has a number, which the gateway never gives again. This program needs nothing but Python.
"""

import struct
import subprocess
import sys

TEXT, BINARY, CLOSE, OPEN = 1, 2, 8, 16
EVERYBODY = 0
HEADER = struct.Struct(">III")  # the client's id, the type, the length of the payload

gateway = subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def frames():
    """Yields what clients do: id, type, payload."""
    while header := gateway.stdout.read(HEADER.size):
        client, kind, length = HEADER.unpack(header)
        yield client, kind, gateway.stdout.read(length)


def say(client, text):
    """Sends a text to one client, or to everybody."""
    if gateway.stdin.closed:
        return
    payload = text.encode()
    gateway.stdin.write(HEADER.pack(client, TEXT, len(payload)) + payload)
    gateway.stdin.flush()


for client, kind, payload in frames():
    if kind == OPEN:
        address = payload.rstrip(b"\0").decode()
        print(f"{client} comes from {address}", flush=True)
        say(client, f"You are {client}.")
        say(EVERYBODY, f"{client} has come.")
    elif kind == CLOSE:
        print(f"{client} leaves", flush=True)
        say(EVERYBODY, f"{client} has left.")
    elif kind == TEXT and payload == b"/quit":
        gateway.stdin.close()  # The gateway then closes every client, and ends.
    elif kind == TEXT:
        say(EVERYBODY, f"{client}: {payload.decode()}")

sys.exit(gateway.wait())
