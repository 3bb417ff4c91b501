// deno-lint-ignore-file no-explicit-any -- npm's enet has no types
/**
 * A server or a client written for npm's `enet`, which prints what it observes: events, callbacks
 * and stream data, each in order, with their arguments. It runs on that package and on `lib/compat` alike.
 *
 * Arguments: the folder of the package or `new`, `server` or `client`, the server's port or 0, and
 * `compressed` or `plain`. A client keeps its host until it reads a line.
 */
import { Buffer } from "node:buffer";
import { createRequire } from "node:module";
import process from "node:process";

const [folder, role, port, mode] = process.argv.slice(2);
const enet: any = folder === "new"
  ? await import("../../lib/compat/mod.ts")
  : createRequire(import.meta.url)(folder);

const say = (kind: string, ...words: unknown[]) =>
  process.stdout.write(`${kind} ${words.map(String).join(" ")}\n`);
const textOf = (error: unknown) => error instanceof Error ? error.message : String(error);

/** A message as it is observed. */
function describe(packet: any, channel: number): string {
  const data: Buffer = packet.data();
  const text = data.length > 40 ? `${data[0]}x${data.length}` : Buffer.from(data).toString();
  return `${channel} ${packet.dataLength()} ${packet.flags() & 1} ${text}`;
}

function serve(error: any, host: any) {
  say("callback", "created", error);
  if (mode === "compressed") host.enableCompression();
  say("event", "offline", Boolean(host.isOffline()));
  host.on("connect", (peer: any, data: unknown, outgoing: unknown) => {
    say("event", "host connect", data, outgoing, peer.state(), peer.address().address);
    const stream = peer.createReadStream(2);
    stream.on("data", (chunk: Buffer) => say("stream", "data", chunk.length, chunk[0]));
    stream.on("end", () => say("stream", "end"));
    peer.on("message", (packet: any, channel: number) => {
      say("event", "peer message", describe(packet, channel));
      if (channel === 2) return;
      const copy = Buffer.from(packet.data());
      const failed = peer.send(
        channel,
        new enet.Packet(copy, packet.flags() & 1),
        (error: unknown) => say("callback", "echoed", channel, error),
      );
      say("event", "echo", failed);
      if (copy.toString() === "bye") peer.disconnectLater(999);
    });
    peer.on("disconnect", (data: unknown) => {
      say("event", "peer disconnect", data, peer.state(), peer.address().address);
      say(
        "event",
        "send",
        peer.send(0, "late", (error: unknown) => say("callback", "late", textOf(error))),
      );
      say("event", "peers", host.peers().length);
      host.destroy();
    });
  });
  host.on("message", (_peer: any, packet: any, channel: number) => {
    say("event", "host message", describe(packet, channel));
  });
  host.on("destroy", () => say("event", "destroy", host.isOnline()));
  host.start(5);
  say("port", host.address().port);
}

function visit(error: any, host: any) {
  say("callback", "created", error);
  if (mode === "compressed") host.enableCompression();
  host.on(
    "connect",
    (peer: any, data: unknown, outgoing: unknown) =>
      say("event", "host connect", data, outgoing, peer.state()),
  );
  host.on("destroy", () => {
    say("event", "destroy", host.isOnline(), host.peers().length);
    host.connect(
      { address: "127.0.0.1", port: Number(port) },
      1,
      0,
      (error: unknown) => say("callback", "connect", textOf(error)),
    );
    process.stdout.write("done\n");
  });

  const messages: [number, string | Buffer, number | undefined][] = [
    [0, "Hello ENet", undefined],
    [1, Buffer.from("unreliable"), 0],
    [0, Buffer.alloc(50_000, 7), 1],
    [0, "bye", undefined],
  ];
  const address = new enet.Address("127.0.0.1", Number(port));
  const peer = host.connect(address, 3, 1337, (error: any, connected: any) => {
    say("callback", "connect", error, connected === peer, connected.state());
    connected.ping();
    const stream = connected.createWriteStream(2);
    stream.write(Buffer.alloc(3000, 1));
    stream.write(Buffer.alloc(10, 2), next);
  });
  say("event", "connecting", peer.state(), host.peers().length);
  let waiting = 0;
  // Each message waits for the echo and the callback of the one before it.
  function next() {
    if (--waiting > 0) return;
    const [channel, data, flags] = messages.shift() ?? [];
    if (data === undefined) return;
    waiting = 2;
    const packet = flags === undefined ? data : new enet.Packet(data, flags);
    const failed = peer.send(channel, packet, (error: unknown) => {
      say("callback", "sent", channel, error, packet.wasSent?.());
      next();
    });
    say("event", "send", failed);
  }
  peer.on("connect", () => say("event", "peer connect", peer.address().address));
  peer.on("message", (packet: any, channel: number) => {
    say("event", "peer message", describe(packet, channel));
    next();
  });
  peer.on("disconnect", (data: unknown) => {
    say("event", "peer disconnect", data, peer.state(), peer.address().port === Number(port));
    // Only a host that is still serviced acknowledges the disconnect.
    process.stdin.once("data", () => {
      process.stdin.destroy();
      host.destroy();
    });
  });
}

if (role === "server") {
  const address = new enet.Address("127.0.0.1", 0);
  enet.createServer({ address, peers: 32, channels: 3, down: 0, up: 0 }, serve);
} else {
  enet.createClient({ peers: 1, channels: 3, down: 57600 / 8, up: 14400 / 8 }, visit);
}
