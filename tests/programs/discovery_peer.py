"""Both sides of discovery, written from docs/discovery.md alone.

    discovery_peer.py ask PORT GAME VERSION FROM>TO ...   asks until it is killed, and prints each answer
    discovery_peer.py serve PORT GAME VERSION INTERFACE NAME DATA
                                                          answers, and prints `serving`
"""

import json
import os
import select
import socket
import struct
import sys
import time

GROUP = "239.255.36.38"
HEAD = b"ENDS\x01"
PEERS, MOST = 3, 16


def say(*words):
    print(*words, flush=True)


def open_socket(place):
    """A socket that asks from an address, which has a zone where it is link-local."""
    if ":" in place:
        sock = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        sock.bind(socket.getaddrinfo(place, 0, socket.AF_INET6)[0][4])
        return sock
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(place))
    sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 1)
    sock.bind((place, 0))
    return sock


def query(nonce, number, game, version):
    start = HEAD + struct.pack(">BH8sIIB", 1, 0, nonce, number, version, len(game)) + game
    return start.ljust(640, b"\0")


def read_answer(datagram, nonce):
    assert 36 <= len(datagram) <= 640 and datagram[:6] == HEAD + b"\x02", datagram
    repeated, number, server, peers, most, n = struct.unpack_from(">8sI8sHHB", datagram, 8)
    assert repeated == nonce
    name = datagram[33:33 + n]
    (d,) = struct.unpack_from(">H", datagram, 33 + n)
    data = datagram[35 + n:]
    assert len(data) == d
    return {"id": server.hex(), "number": number, "peers": peers, "most": most,
            "name": name.decode(), "data": data.hex(), "bytes": len(datagram)}


def ask(port, game, version, *pairs):
    nonce = os.urandom(8)
    sockets = {open_socket(pair.split(">")[0]): pair for pair in pairs}
    number = 0
    while True:
        number += 1
        for sock, pair in sockets.items():
            to = pair.split(">")[1]
            address = socket.getaddrinfo(to, port, sock.family, socket.SOCK_DGRAM)[0][4]
            sock.sendto(query(nonce, number, game, version), address)
        end = time.monotonic() + 0.3
        while (left := end - time.monotonic()) > 0:
            for sock in select.select(list(sockets), [], [], left)[0]:
                datagram, source = sock.recvfrom(2048)
                answer = read_answer(datagram, nonce)
                say(sockets[sock], json.dumps({"from": source[0], "port": source[1], **answer}))


def serve(port, game, version, interface, name, data):
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((GROUP, port))
    membership = socket.inet_aton(GROUP) + socket.inet_aton(interface)
    sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, membership)
    host = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    host.bind((interface, 0))
    say("serving", host.getsockname()[1])
    name, data = name.encode(), data.encode()
    while True:
        datagram, source = sock.recvfrom(2048)
        wanted = struct.pack(">IB", version, len(game)) + game
        if len(datagram) != 640 or datagram[:6] != HEAD + b"\x01":
            continue
        if datagram[20:20 + len(wanted)] != wanted:
            continue
        answer = HEAD + b"\x02\0\0" + datagram[8:20] + b"\x07" * 8 + struct.pack(">HHB", PEERS, MOST, len(name))
        host.sendto(answer + name + struct.pack(">H", len(data)) + data, source)


mode, port, game, version, *others = sys.argv[1:]
{"ask": ask, "serve": serve}[mode](int(port), game.encode(), int(version), *others)
