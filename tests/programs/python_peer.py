"""An ENet peer on python3-enet that speaks the line protocol of native/tests/peer.c."""

import argparse
import os
import select
import sys
import time
import zlib

import enet

IDLE_SECONDS = 30

parser = argparse.ArgumentParser()
parser.add_argument("mode", choices=["server", "client"])
parser.add_argument("--port", type=int, default=0)
parser.add_argument("--channels", type=int, default=2)
parser.add_argument("--data", type=int, default=0)
parser.add_argument("--compress", action="store_true")
parser.add_argument("--checksum", action="store_true")
options = parser.parse_args()


def say(*words):
    print(*words, flush=True)


def payload(length, seed):
    out = bytearray(length)
    x = seed
    for i in range(length):
        x = (x * 1664525 + 1013904223) & 0xFFFFFFFF
        out[i] = x >> 24
    return bytes(out)


def command(line):
    """Carries a line out; returns False for the end."""
    words = line.split()
    if words[0] == "quit":
        return False
    if words[0] == "send":
        channel, flags, length, seed = map(int, words[1:])
        for peer in connected:
            peer.send(channel, enet.Packet(payload(length, seed), flags))
    elif words[0] == "disconnect":
        for peer in connected:
            peer.disconnect(int(words[1]))
    elif words[0] == "disconnect-later":
        for peer in connected:
            peer.disconnect_later(int(words[1]))
    return True


def read_commands():
    """Carries out what has arrived on stdin; returns False for the end."""
    global unread
    while select.select([sys.stdin], [], [], 0)[0]:
        chunk = os.read(0, 65536)
        if not chunk:
            return False
        *lines, unread = (unread + chunk).split(b"\n")
        if not all(command(line.decode()) for line in lines):
            return False
    return True


unread = b""
connected = []
address = enet.Address(b"127.0.0.1", options.port) if options.mode == "server" else None
host = enet.Host(address, 32, options.channels, 0, 0)
if options.compress:
    host.compress_with_range_coder()
if options.checksum:
    host.checksum = enet.ENET_CRC32
if options.mode == "server":
    say("port", host.address.port)
else:
    host.connect(enet.Address(b"127.0.0.1", options.port), options.channels, options.data)

active = time.monotonic()
while time.monotonic() - active < IDLE_SECONDS:
    if not read_commands():
        break
    event = host.service(5)
    while event.type != enet.EVENT_TYPE_NONE:
        active = time.monotonic()
        if event.type == enet.EVENT_TYPE_CONNECT:
            connected.append(event.peer)
            say("connect", event.data)
        elif event.type == enet.EVENT_TYPE_DISCONNECT:
            connected = [peer for peer in connected if peer != event.peer]
            say("disconnect", event.data)
        else:
            data, flags = event.packet.data, event.packet.flags & 0xFF
            say("receive", event.channelID, len(data), f"{zlib.crc32(data):08x}", flags)
            if options.mode == "server":
                event.peer.send(event.channelID, enet.Packet(data, flags))
        event = host.service(0)
for peer in connected:
    peer.disconnect_now(0)
host.flush()
