/**
 * What carries the messages of wan.ts: ENet, TCP and WebSockets; _quic.ts has QUIC, _browser.ts a gateway.
 *
 * @module
 */
import { once } from "node:events";
import { connect, createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { Host, PacketFlag } from "../../mod.ts";
import { browser } from "./_browser.ts";
import { type Bytes, type Carrier, CHANNEL, CHANNELS } from "./_carrier.ts";
import { frame, readerOfFrames } from "./_frames.ts";
import { quic } from "./_quic.ts";
import { loadWs } from "./_ws.ts";

/** What WebSockets may have queued. */
const QUEUED_BYTES = 256 * 1024;

/** Services a host so many times a second, as a game loop does. */
function tick(host: Host, perSecond: number): void {
  const turn = () => {
    host.service();
    due = Math.max(due + 1000 / perSecond, performance.now());
    setTimeout(turn, due - performance.now());
  };
  let due = performance.now();
  turn();
}

/** @param perSecond how often the sender services its host, which has no pump then; 0: with a pump */
const enet = (perSecond: number): Carrier => ({
  async listen(hostname, onMessage) {
    const host = await Host.listen({ hostname, peers: 4, channels: CHANNELS }, {
      receive: (peer, channelId, packet) =>
        onMessage(channelId, packet.view, (bytes) => {
          peer.send(channelId, bytes);
          host.flush();
        }),
    });
    return host.address.port;
  },
  async open(hostname, port, onAnswer) {
    const host = await Host.create({ peers: 1, pump: perSecond === 0 }, {
      receive: (_peer, _channelId, packet) => onAnswer(packet.view),
    });
    if (perSecond > 0) tick(host, perSecond);
    const peer = await host.connect({ hostname, port }, { channels: CHANNELS, timeoutMs: 10_000 });
    return {
      send(channel, bytes) {
        const flags = channel === CHANNEL.STATE ? PacketFlag.UNRELIABLE : PacketFlag.RELIABLE;
        peer.send(channel, bytes, flags);
        if (perSecond === 0) host.flush();
      },
      async pour(bytes) {
        if (!peer.send(CHANNEL.BULK, bytes)) await peer.drain();
      },
    };
  },
});

const tcp: Carrier = {
  async listen(address, onMessage) {
    const server = createServer((socket) => {
      socket.setNoDelay(true).on("error", () => {}); // The sender just ends.
      const reply = (bytes: Bytes) => void socket.write(frame(CHANNEL.REQUESTS, bytes));
      socket.on("data", readerOfFrames((channel, bytes) => onMessage(channel, bytes, reply)));
    });
    server.listen(0, address);
    await once(server, "listening");
    return (server.address() as { port: number }).port;
  },
  async open(hostname, port, onAnswer) {
    const socket = connect(port, hostname).setNoDelay(true);
    await once(socket, "connect");
    socket.on("data", readerOfFrames((_channel, bytes) => onAnswer(bytes)));
    return {
      send: (channel, bytes) => void socket.write(frame(channel, bytes)),
      async pour(bytes) {
        if (!socket.write(frame(CHANNEL.BULK, bytes))) await once(socket, "drain");
      },
    };
  },
};

/** A message of WebSockets. */
function tagged(channel: number, bytes: Bytes): Bytes {
  const message = new Uint8Array(1 + bytes.length);
  message[0] = channel;
  message.set(bytes, 1);
  return message;
}

/** @param folder of the npm package `ws` */
const ws = (folder: string): Carrier => ({
  async listen(host, onMessage) {
    const server = new (loadWs(folder).WebSocketServer)({ host, port: 0 });
    server.on("connection", (socket) => {
      const reply = (bytes: Bytes) => socket.send(tagged(CHANNEL.REQUESTS, bytes));
      socket.on("message", (data) => onMessage(data[0], data.subarray(1), reply));
    });
    await new Promise<void>((resolve) => server.on("listening", resolve));
    return server.address().port;
  },
  async open(hostname, port, onAnswer) {
    const socket = new (loadWs(folder).WebSocket)(`ws://${hostname}:${port}`);
    socket.binaryType = "arraybuffer";
    await new Promise((resolve) => socket.onopen = resolve);
    socket.onmessage = ({ data }) => onAnswer(new Uint8Array(data).subarray(1));
    return {
      send: (channel, bytes) => socket.send(tagged(channel, bytes)),
      async pour(bytes) {
        socket.send(tagged(CHANNEL.BULK, bytes));
        while (socket.bufferedAmount > QUEUED_BYTES) await sleep(1);
      },
    };
  },
});

/** The carrier of a name; what the parameter is, wan.ts says. */
export function carrierOf(name: string, parameter: string): Carrier {
  if (name === "enet") return enet(Number(parameter));
  if (name === "tcp") return tcp;
  if (name === "ws") return ws(parameter);
  if (name === "quic") return quic(parameter);
  if (name === "gateway") return browser(false);
  if (name === "webrtc") return browser(true);
  throw new Error(`No carrier has the name ${name}`);
}
