/**
 * One client of the demo, the same on each runtime. `main.ts` starts it:
 *
 *     client.ts <name> <port> [corrupt | crash | hang]
 *
 * It goes through the stages, checks what it gets, and prints one {@linkcode Report} per stage. The
 * last argument makes it misbehave, to show that the demo notices.
 *
 * @module
 */

import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { Host, PacketFlag, type Peer, type PeerMessage } from "@enetjs/enet";
import {
  CHANNEL,
  CHANNELS,
  contents,
  COUNT,
  readHead,
  type Report,
  sha256,
  sizeOf,
  type Stage,
  Tally,
} from "./_protocol.ts";

const [name, port, serverKey, fault] = process.argv.slice(2);

// Whatever happens, this process ends: with its parent, whose end closes stdin, or by the clock.
process.stdin.on("end", () => process.exit(1)).resume();
setTimeout(() => process.exit(1), 60_000).unref();

function report(
  stage: Stage,
  messages: number,
  bytes: number,
  detail: Report["detail"] = {},
): void {
  process.stdout.write(`${JSON.stringify({ stage, messages, bytes, detail })}\n`);
}

function require(condition: boolean, problem: string): void {
  if (!condition) throw new Error(problem);
}

/** Takes the next message, which must be of this channel. */
async function receive(
  messages: AsyncIterator<PeerMessage>,
  channelId: number,
): Promise<PeerMessage["packet"]> {
  const { done, value } = await messages.next();
  if (done) throw new Error("the connection ended too early");
  require(
    value.channelId === channelId,
    `a message came on channel ${value.channelId}, not on ${channelId}`,
  );
  return value.packet;
}

/** One message at a time: the time from sending to the echo. */
async function roundTrips(peer: Peer, messages: AsyncIterator<PeerMessage>): Promise<void> {
  const times: number[] = [];
  for (let i = 0; i < COUNT.PING; i++) {
    const sent = contents(name, i, sizeOf("ping", i));
    const start = performance.now();
    peer.send(CHANNEL.PING, sent);
    const { bytes } = await receive(messages, CHANNEL.PING);
    times.push(performance.now() - start);
    require(sha256(bytes) === sha256(sent), `round trip ${i} brought other bytes back`);
  }
  times.sort((a, b) => a - b);
  const median = times[times.length >> 1].toFixed(2);
  report("round trips", 2 * COUNT.PING, 2 * COUNT.PING * sizeOf("ping", 0), { median });
}

/** May get lost, must not be damaged, doubled or late. A reliable message marks the end. */
async function unreliable(peer: Peer, messages: AsyncIterator<PeerMessage>): Promise<void> {
  let bytes = 0;
  const sending = async () => {
    for (let i = 0; i < COUNT.UNRELIABLE; i++) {
      const message = contents(name, i, sizeOf("unreliable", i));
      bytes += message.length;
      peer.send(CHANNEL.UNRELIABLE, message, PacketFlag.UNRELIABLE);
      if (i % 20 === 19) await sleep(1); // A burst would overrun the socket's buffer.
    }
    peer.send(CHANNEL.UNRELIABLE, "end");
  };
  const receiving = async () => {
    let arrived = 0;
    for (let last = -1;;) {
      const packet = await receive(messages, CHANNEL.UNRELIABLE);
      if (packet.flags & PacketFlag.RELIABLE) return arrived;
      const i = new DataView(packet.bytes.buffer, packet.bytes.byteOffset).getUint32(0);
      require(i > last && i < COUNT.UNRELIABLE, `unreliable message ${i} came after ${last}`);
      const intact = sha256(packet.bytes) === sha256(contents(name, i, sizeOf("unreliable", i)));
      require(intact, `unreliable message ${i} came back damaged`);
      last = i;
      arrived++;
      bytes += packet.length;
    }
  };
  const [, arrived] = await Promise.all([sending(), receiving()]);
  const lost = COUNT.UNRELIABLE - arrived;
  report("unreliable", COUNT.UNRELIABLE + arrived, bytes, { arrived, lost });
}

/** Every message must come back, in order; the digests say so. */
async function echoed(
  peer: Peer,
  messages: AsyncIterator<PeerMessage>,
  kind: "reliable" | "fragmented",
): Promise<void> {
  const [channelId, count] = kind === "reliable"
    ? [CHANNEL.RELIABLE, COUNT.RELIABLE]
    : [CHANNEL.FRAGMENTED, COUNT.FRAGMENTED];
  const sent = new Tally();
  const back = new Tally();
  const sending = async () => {
    for (let i = 0; i < count; i++) {
      const message = contents(name, i, sizeOf(kind, i));
      sent.add(message);
      if (!peer.send(channelId, message)) await peer.drain();
    }
  };
  const receiving = async () => {
    while (back.messages < count) back.add((await receive(messages, channelId)).bytes);
  };
  await Promise.all([sending(), receiving()]);
  require(back.digest() === sent.digest(), `${kind} messages came back with other bytes`);
  report(kind, sent.messages + back.messages, sent.bytes + back.bytes, { sha256: sent.digest() });
}

/** The beginning of this runtime's own executable, in pieces; an empty message is the end. */
async function sendFile(peer: Peer): Promise<void> {
  const file = readHead(process.execPath);
  const size = 64 * 1024;
  const count = Math.ceil(file.length / size);
  for (let i = 0; i < count; i++) {
    const piece = file.slice(i * size, (i + 1) * size);
    if (i === count >> 1) {
      if (fault === "corrupt") piece[1000] ^= 1;
      if (fault === "crash") process.kill(process.pid, "SIGKILL");
      if (fault === "hang") await sleep(60_000);
    }
    if (!peer.send(CHANNEL.FILE, piece)) await peer.drain();
  }
  await peer.deliver(CHANNEL.FILE, new Uint8Array(0));
  report("file to server", count + 1, file.length);
}

/** The beginning of the server's executable, in one message. */
async function receiveFile(messages: AsyncIterator<PeerMessage>): Promise<void> {
  const { bytes } = await receive(messages, CHANNEL.FILE);
  report("file to client", 1, bytes.length, { sha256: sha256(bytes) });
}

/** What the server sends to all, once all have come this far. */
async function broadcast(peer: Peer, messages: AsyncIterator<PeerMessage>): Promise<void> {
  const got = new Tally();
  peer.send(CHANNEL.BROADCAST, "ready");
  while (got.messages < COUNT.BROADCAST) {
    got.add((await receive(messages, CHANNEL.BROADCAST)).bytes);
  }
  report("broadcast", got.messages, got.bytes, { sha256: got.digest() });
}

try {
  await using client = await Host.create({ peers: 1 });
  const address = { hostname: "127.0.0.1", port: Number(port) };
  const peer = await client.connect(address, {
    channels: CHANNELS,
    data: 1337,
    security: serverKey === "" ? undefined : { serverKey },
  });
  const messages = peer[Symbol.asyncIterator]();
  await peer.deliver(CHANNEL.HELLO, name);
  const version = process.versions[name as "node"] ?? "";
  report("connect", 1, name.length, { version });
  await roundTrips(peer, messages);
  await unreliable(peer, messages);
  await echoed(peer, messages, "reliable");
  await echoed(peer, messages, "fragmented");
  await sendFile(peer);
  await receiveFile(messages);
  await broadcast(peer, messages);
  await peer.disconnect(42);
  report("disconnect", 0, 0);
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : error}\n`);
  process.exitCode = 1;
}
// Reading stdin would keep the process alive.
process.stdout.write("", () => process.exit());
