import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { crc32 } from "node:zlib";
import { Host, type HostOptions, PacketFlag, type Peer } from "../../mod.ts";
import { npmEnet, pythonEnet } from "../../tools/others.ts";
import { runtimes } from "../../tools/setup.ts";
import { leakCheck, type Program, spawnProgram, withDeadline } from "../_helpers.ts";
import { startRelay } from "../_relay.ts";
import { over6 } from "./_ipv6.ts";

/** An ENet that others made, as a program that speaks the protocol of native/tests/peer.c. */
interface Other {
  readonly name: string;
  readonly command: readonly string[];
  readonly checksum: boolean;
  /** Whether a server of it can tell what data a client connected with, and the other way round. */
  readonly available: boolean;
}

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));

const OTHERS: readonly Other[] = [
  {
    name: "a C program on libenet",
    command: [path("../../native/build/enet_peer")],
    checksum: true,
    available: true,
  },
  {
    name: "python3-enet",
    command: [pythonEnet() ?? "python3", path("../programs/python_peer.py")],
    checksum: true,
    available: pythonEnet() !== undefined,
  },
  {
    name: "npm's enet",
    command: [
      runtimes().node,
      "--disable-warning=ExperimentalWarning",
      path("../programs/npm_peer.cjs"),
      npmEnet,
    ],
    checksum: false,
    available: existsSync(npmEnet),
  },
];

/** A way to configure both sides. */
interface Configuration {
  readonly name: string;
  readonly options: HostOptions;
  readonly flags: readonly string[];
}

const PLAIN: Configuration = { name: "plain", options: {}, flags: [] };
const COMPRESSED: Configuration = {
  name: "range coder",
  options: { compression: "range-coder" },
  flags: ["--compress"],
};
const CHECKED: Configuration = {
  name: "CRC32",
  options: { checksum: "crc32" },
  flags: ["--checksum"],
};

const CONNECT_DATA = 0xFEDCBA98;
const DISCONNECT_DATA = 0xFFFFFFFF;

/** The payload that the programs send for a seed. */
function payload(length: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let x = seed;
  for (let i = 0; i < length; i++) {
    x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
    bytes[i] = x >>> 24;
  }
  return bytes;
}

function digest(bytes: Uint8Array): string {
  return crc32(bytes).toString(16).padStart(8, "0");
}

type Messages = readonly (readonly [number, PacketFlag, number])[];

/**
 * What both sides send each other: channel, flags, length. No empty message, for ENet's own range
 * coder crashes on one; the library's does not, see empty_messages_survive_compression.
 */
const MESSAGES: Messages = [
  [0, PacketFlag.RELIABLE, 12],
  [1, PacketFlag.UNRELIABLE, 300],
  [1, PacketFlag.UNSEQUENCED, 100],
  [0, PacketFlag.RELIABLE, 1_000_000],
];

/** Everything `count` messages of a peer say, in an order that does not depend on the network. */
async function receive(peer: Peer, count: number): Promise<string[]> {
  const seen: string[] = [];
  for await (const { channelId, packet } of peer) {
    const flags = packet.flags & (PacketFlag.RELIABLE | PacketFlag.UNSEQUENCED);
    seen.push(`${channelId} ${packet.length} ${digest(packet.bytes)} ${flags}`);
    if (seen.length === count) break;
  }
  return seen.sort();
}

const expected = (messages: Messages) =>
  messages.map(([channelId, flags, length], seed) =>
    `${channelId} ${length} ${digest(payload(length, seed))} ${flags}`
  ).sort();

/** Waits for the program to have printed a line for every message. */
async function received(program: Program, messages: Messages): Promise<void> {
  for (const line of expected(messages)) await program.line(`receive ${line}`);
}

function send(peer: Peer, messages: Messages): void {
  messages.forEach(([channelId, flags, length], seed) =>
    peer.send(channelId, payload(length, seed), flags)
  );
}

function command(program: Program, messages: Messages): void {
  messages.forEach(([channelId, flags, length], seed) =>
    program.write(`send ${channelId} ${flags} ${length} ${seed}`)
  );
}

/** Where the library's side is: the other programs have IPv4 only, and reach ::1 by a relay. */
type Loopback = "127.0.0.1" | "::1";

/** What goes through a relay, which loses some datagrams when the machine is busy. */
const RELAYED: Messages = [[0, PacketFlag.RELIABLE, 12], [1, PacketFlag.RELIABLE, 30_000]];

const messagesAt = (hostname: Loopback) => hostname === "::1" ? RELAYED : MESSAGES;

async function toTheirServer(
  other: Other,
  { options, flags }: Configuration,
  hostname: Loopback = "127.0.0.1",
): Promise<void> {
  const [program, ...args] = other.command;
  await using server = spawnProgram(program, [...args, "server", ...flags]);
  const theirs = Number(await server.line("port "));
  await using relay = hostname === "::1" &&
      await startRelay(theirs, 0, 0, [hostname, "127.0.0.1"]) || undefined;
  const port = relay?.port ?? theirs;
  await using host = await Host.create(options);
  const peer = await host.connect({ hostname, port }, { data: CONNECT_DATA });
  assert.equal(await server.line("connect "), String(CONNECT_DATA));
  const messages = messagesAt(hostname);
  send(peer, messages);
  const echoes = receive(peer, messages.length);
  assert.deepEqual(await withDeadline(echoes, 20_000, "echoes"), expected(messages));
  await received(server, messages);
  await withDeadline(peer.disconnect(DISCONNECT_DATA), 10_000, "the disconnect");
  assert.equal(await server.line("disconnect "), String(DISCONNECT_DATA));
}

async function fromTheirClient(
  other: Other,
  { options, flags }: Configuration,
  hostname: Loopback = "127.0.0.1",
): Promise<void> {
  await using host = await Host.listen({ hostname, ...options });
  await using relay = hostname === "::1" &&
      await startRelay(host.address.port, 0, 0, ["127.0.0.1", hostname]) || undefined;
  const [program, ...args] = other.command;
  await using client = spawnProgram(program, [
    ...args,
    "client",
    "--port",
    String(relay?.port ?? host.address.port),
    "--data",
    String(CONNECT_DATA),
    ...flags,
  ]);
  const events = host[Symbol.asyncIterator]();
  const { value: connect } = await withDeadline(events.next(), 20_000, "their connection");
  assert.equal(connect.type, "connect");
  assert.equal(connect.data, CONNECT_DATA);
  await client.line("connect ");
  const messages = messagesAt(hostname);
  command(client, messages);
  const sent = receive(connect.peer, messages.length);
  assert.deepEqual(await withDeadline(sent, 20_000, "messages"), expected(messages));
  send(connect.peer, messages);
  await received(client, messages);
  client.write(`disconnect ${DISCONNECT_DATA}`);
  for (;;) {
    const { value: event } = await withDeadline(events.next(), 20_000, "their disconnect");
    if (event.type !== "disconnect") continue;
    assert.equal(event.reason, "remote");
    assert.equal(event.data, DISCONNECT_DATA);
    break;
  }
  await events.return?.();
}

for (const other of OTHERS) {
  const configurations = other.checksum ? [PLAIN, COMPRESSED, CHECKED] : [PLAIN, COMPRESSED];
  for (const configuration of configurations) {
    const skip = other.available ? false : `${other.name} is not on this machine`;
    test(
      `A host talks to a server that is ${other.name}, ${configuration.name}`,
      { skip },
      async (t) => {
        await leakCheck(t);
        await toTheirServer(other, configuration);
      },
    );
    test(
      `A host serves a client that is ${other.name}, ${configuration.name}`,
      { skip },
      async (t) => {
        await leakCheck(t);
        await fromTheirClient(other, configuration);
      },
    );
  }
}

// A datagram over IPv6 has the same bytes as one over IPv4.

const [libenet] = OTHERS;

over6("Over IPv6, a host talks to a server on libenet", () => toTheirServer(libenet, PLAIN, "::1"));

over6("Over IPv6, a host serves a client on libenet", () => fromTheirClient(libenet, PLAIN, "::1"));
