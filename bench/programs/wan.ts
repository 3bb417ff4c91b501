/**
 * A sender and a receiver for links with distance, over ENet, TCP, WebSockets or a gateway; bench/c/wan.c says what
 * they send and print.
 *
 *     wan.ts receive enet|tcp|gateway|webrtc|FOLDER ADDRESS SECONDS
 *     wan.ts send enet|tcp|gateway|webrtc|FOLDER ADDRESS PORT SECONDS LOADS
 *
 * FOLDER is that of the npm package `ws`. Over TCP, WebSockets and a gateway without WebRTC everything shares one
 * connection. The senders to a gateway are browsers, whose `RTCPeerConnection` is that of `node-datachannel`.
 */
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { Host, PacketFlag } from "../../mod.ts";
import { EnetSocket } from "../../lib/gateway/browser/mod.ts";
import { Gateway } from "../../lib/gateway/mod.ts";
import { say } from "./_common.ts";
import { loadWs } from "./_ws.ts";

const BULK = 1;
const REQUESTS = 2;
const STATE = 4;

/** The channels of ENet; without channels, the first byte of a message. */
const CHANNEL = { BULK: 0, REQUESTS: 1, STATE: 2 } as const;
const CHANNELS = 3;

const BULK_BYTES = 16 * 1024;
const SMALL_BYTES = 64;
const EARLY_MS = 2000;
const REQUEST_MS = 1000 / 20;
const STATE_MS = 1000 / 60;
const TICK_MS = 4;

/** For how long a receiver that is done still takes what comes. */
const LINGER_MS = 30_000;

/** What WebSockets may have queued. */
const QUEUED_BYTES = 256 * 1024;

/** The carriers whose receiver is a host of the library. */
const OVER_HOST = ["enet", "gateway", "webrtc"];

type Bytes = Uint8Array<ArrayBuffer>;
type Reply = (bytes: Bytes) => void;
type OnMessage = (channel: number, bytes: Uint8Array, reply: Reply) => void;

/** The way to the receiver. */
interface Way {
  send(channel: number, bytes: Bytes): void;
  /** Sends bulk, and resolves when more may follow. */
  pour(bytes: Bytes): Promise<void>;
}

const wallMs = () => performance.timeOrigin + performance.now();

function percentile(times: number[], percent: number): number {
  const sorted = times.toSorted((a, b) => a - b);
  return sorted[Math.floor((sorted.length - 1) * percent / 100)] ?? 0;
}

// ---- Receiving ---------------------------------------------------------------------------------

class Tally {
  readonly begun: PromiseWithResolvers<void> = Promise.withResolvers();
  readonly #ages: number[] = [];
  #start = 0;
  #bytes = 0;
  #early = 0;
  #last = 0;

  take(channel: number, bytes: Uint8Array, reply: Reply): void {
    if (this.#start === 0) {
      this.#start = performance.now();
      this.begun.resolve();
    }
    if (channel === CHANNEL.REQUESTS) return reply(bytes.slice());
    if (channel === CHANNEL.BULK) {
      this.#bytes += bytes.length;
      if (performance.now() - this.#start < EARLY_MS) this.#early = this.#bytes;
      return;
    }
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    this.#ages.push(wallMs() - view.getFloat64(0, true));
    this.#last = Math.max(this.#last, view.getFloat64(8, true));
  }

  report(): void {
    say("early", this.#early);
    say("bytes", this.#bytes);
    say("states", this.#ages.length);
    say("last", this.#last);
    say("age50", percentile(this.#ages, 50));
    say("age99", percentile(this.#ages, 99));
  }
}

/** Gives each message of a stream of frames to a function: length of the rest, channel, bytes. */
function readFrames(socket: Socket, onMessage: (channel: number, bytes: Uint8Array) => void) {
  let rest: Uint8Array = new Uint8Array();
  socket.on("data", (data: Uint8Array) => {
    if (rest.length > 0) {
      const joined = new Uint8Array(rest.length + data.length);
      joined.set(rest);
      joined.set(data, rest.length);
      data = joined;
    }
    let at = 0;
    while (data.length - at >= 5) {
      const view = new DataView(data.buffer, data.byteOffset + at);
      const end = at + 4 + view.getUint32(0, true);
      if (end > data.length) break;
      onMessage(data[at + 4], data.subarray(at + 5, end));
      at = end;
    }
    rest = data.slice(at);
  });
}

function frame(channel: number, bytes: Bytes): Bytes {
  const framed = new Uint8Array(5 + bytes.length);
  new DataView(framed.buffer).setUint32(0, 1 + bytes.length, true);
  framed[4] = channel;
  framed.set(bytes, 5);
  return framed;
}

/** A message of WebSockets. */
function tagged(channel: number, bytes: Bytes): Bytes {
  const message = new Uint8Array(1 + bytes.length);
  message[0] = channel;
  message.set(bytes, 1);
  return message;
}

/** Listens on any port and gives every message to a function. @returns the port */
async function listen(carrier: string, address: string, onMessage: OnMessage): Promise<number> {
  if (OVER_HOST.includes(carrier)) {
    const host = await Host.listen({ hostname: address, peers: 4, channels: CHANNELS }, {
      receive: (peer, channelId, packet) =>
        onMessage(channelId, packet.view, (bytes) => {
          peer.send(channelId, bytes);
          host.flush();
        }),
    });
    if (carrier === "enet") return host.address.port;
    const webrtc = carrier === "webrtc";
    const gateway = await Gateway.listen({ host, hostname: address, webrtc });
    return (gateway.address as { port: number }).port;
  }
  if (carrier === "tcp") {
    const server = createServer((socket) => {
      socket.setNoDelay(true).on("error", () => {}); // The sender just ends.
      readFrames(
        socket,
        (channel, bytes) =>
          onMessage(channel, bytes, (bytes) => socket.write(frame(channel, bytes))),
      );
    });
    server.listen(0, address);
    await once(server, "listening");
    return (server.address() as { port: number }).port;
  }
  const server = new (loadWs(carrier).WebSocketServer)({ host: address, port: 0 });
  server.on("connection", (socket) =>
    socket.on("message", (data) =>
      onMessage(
        data[0],
        data.subarray(1),
        (bytes) => socket.send(tagged(CHANNEL.REQUESTS, bytes)),
      )));
  await new Promise<void>((resolve) => server.on("listening", resolve));
  return server.address().port;
}

async function receive(carrier: string, address: string, seconds: number): Promise<void> {
  const tally = new Tally();
  say("port", await listen(carrier, address, (...message) => tally.take(...message)));
  await tally.begun.promise;
  await sleep(seconds * 1000);
  tally.report();
  await sleep(LINGER_MS); // Until it is ended.
}

// ---- Sending -----------------------------------------------------------------------------------

/** Connects to a gateway as a page does, and waits for the data channel. */
async function openGateway(
  webrtc: boolean,
  url: string,
  onAnswer: (bytes: Uint8Array) => void,
): Promise<Way> {
  if (webrtc) {
    const { RTCPeerConnection } = await import("node-datachannel/polyfill");
    Object.assign(globalThis, { RTCPeerConnection });
  }
  const socket = await EnetSocket.connect(url, { channels: CHANNELS, timeoutMs: 10_000, webrtc });
  void (async () => {
    for await (const { packet } of socket) onAnswer(packet.bytes);
  })();
  while (webrtc && socket.unreliableOver !== "webrtc") await sleep(10);
  return {
    send(channel, bytes) {
      const flags = channel === CHANNEL.STATE ? PacketFlag.UNRELIABLE : PacketFlag.RELIABLE;
      socket.send(channel, bytes, flags);
    },
    async pour(bytes) {
      if (!socket.send(CHANNEL.BULK, bytes)) await socket.drain();
    },
  };
}

/** Connects, and gives the answers to a function. */
async function open(
  carrier: string,
  hostname: string,
  port: number,
  onAnswer: (bytes: Uint8Array) => void,
): Promise<Way> {
  if (carrier === "enet") {
    const host = await Host.create({ peers: 1 }, {
      receive: (_peer, _channelId, packet) => onAnswer(packet.view),
    });
    const peer = await host.connect({ hostname, port }, { channels: CHANNELS, timeoutMs: 10_000 });
    return {
      send(channel, bytes) {
        const flags = channel === CHANNEL.STATE ? PacketFlag.UNRELIABLE : PacketFlag.RELIABLE;
        peer.send(channel, bytes, flags);
        host.flush();
      },
      async pour(bytes) {
        if (!peer.send(CHANNEL.BULK, bytes)) await peer.drain();
      },
    };
  }
  if (carrier === "gateway" || carrier === "webrtc") {
    return await openGateway(carrier === "webrtc", `ws://${hostname}:${port}`, onAnswer);
  }
  if (carrier === "tcp") {
    const socket = connect(port, hostname).setNoDelay(true);
    await once(socket, "connect");
    readFrames(socket, (_channel, bytes) => onAnswer(bytes));
    return {
      send: (channel, bytes) => void socket.write(frame(channel, bytes)),
      async pour(bytes) {
        if (!socket.write(frame(CHANNEL.BULK, bytes))) await once(socket, "drain");
      },
    };
  }
  const socket = new (loadWs(carrier).WebSocket)(`ws://${hostname}:${port}`);
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
}

/** A small message that carries when it was sent, and its number. */
function stamped(number: number): Bytes {
  const bytes = new Uint8Array(SMALL_BYTES);
  const view = new DataView(bytes.buffer);
  view.setFloat64(0, wallMs(), true);
  view.setFloat64(8, number, true);
  return bytes;
}

async function send(
  carrier: string,
  address: string,
  port: number,
  seconds: number,
  loads: number,
): Promise<void> {
  const times: number[] = [];
  const way = await open(carrier, address, port, (bytes) => {
    times.push(wallMs() - new DataView(bytes.buffer, bytes.byteOffset).getFloat64(0, true));
  });
  const start = performance.now();
  const end = start + seconds * 1000;
  let [requests, states] = [0, 0];
  /** Sends what is due by now, however late the timer is. */
  const tick = () => {
    const elapsed = performance.now() - start;
    while ((loads & REQUESTS) !== 0 && requests * REQUEST_MS <= elapsed) {
      way.send(CHANNEL.REQUESTS, stamped(++requests));
    }
    while ((loads & STATE) !== 0 && states * STATE_MS <= elapsed) {
      way.send(CHANNEL.STATE, stamped(++states));
    }
  };
  const timer = setInterval(tick, TICK_MS);
  const bulk = new Uint8Array(BULK_BYTES);
  while ((loads & BULK) !== 0 && performance.now() < end) await way.pour(bulk);
  await sleep(Math.max(0, end - performance.now()));
  clearInterval(timer);
  say("requests", requests);
  // Those that have no answer yet have waited for so long at least.
  for (let number = times.length; number < requests; number++) {
    times.push(performance.now() - start - number * REQUEST_MS);
  }
  say("p50", percentile(times, 50));
  say("p99", percentile(times, 99));
}

const [role, carrier, address, ...numbers] = process.argv.slice(2);
if (role === "receive") await receive(carrier, address, Number(numbers[0]));
else {
  const [port, seconds, loads] = numbers.map(Number);
  await send(carrier, address, port, seconds, loads);
}
process.exit();
