/**
 * The demo: a server in this process, and a client process on each of Deno, Bun and Node. They
 * exchange unreliable, reliable and fragmented messages, a file in each direction and a broadcast;
 * counts and digests are compared at both ends. The connections are encrypted where libsodium is installed.
 *
 *     npx -y deno task demo
 *
 * It ends by itself, with a table and status 0, or with what differed and status 1. To see that it
 * notices, set `ENETJS_DEMO_FAULT` to `corrupt`, `crash` or `hang`, `:` and a runtime: with
 * `ENETJS_DEMO_FAULT=corrupt:bun` the client on Bun flips a bit in the file it sends.
 *
 * @module
 */

import { type ChildProcess, spawn } from "node:child_process";
import process from "node:process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { Host, type HostEvent, type Peer, type ReceiveEvent, versions } from "@enetjs/enet";
import { generateKeyPair, keyToText } from "@enetjs/enet/security";
import { type Runtime, runtimes } from "../../tools/setup.ts";
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
  STAGES,
  Tally,
} from "./_protocol.ts";

/** A client that reports nothing for so long is given up. */
const SILENCE_MS = 10_000;

/** A client: its process, what it reported, and what the server saw of it. */
interface Client {
  readonly name: string;
  readonly executable: string;
  readonly child: ChildProcess;
  readonly reports: Map<Stage, Report>;
  /** What the server received, by channel. */
  readonly received: Map<number, Tally>;
  lastNewsMs: number;
  exit: string | undefined;
  stderr: string;
  /** How its connection ended. */
  ending: string | undefined;
  readonly faults: string[];
}

const clients = new Map<string, Client>();
const peers = new Map<Peer, Client>();
const file = readHead(process.execPath);
const startMs = performance.now();
let ended = false;

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

function seconds(): string {
  return `${((performance.now() - startMs) / 1000).toFixed(1)} s`;
}

function amount(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  return bytes < 1e6 ? `${(bytes / 1e3).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

function killAll(): void {
  for (const { child, exit } of clients.values()) if (exit === undefined) child.kill("SIGKILL");
}

// The server.

function tally(client: Client, channelId: number): Tally {
  const found = client.received.get(channelId) ?? new Tally();
  client.received.set(channelId, found);
  return found;
}

function onReceive(server: Host, { peer, channelId, packet }: ReceiveEvent): void {
  if (channelId === CHANNEL.HELLO) {
    const client = clients.get(packet.text());
    if (client) peers.set(peer, client);
    return;
  }
  const client = peers.get(peer);
  // A client may have disconnected while its messages waited here.
  if (client === undefined || peer.state !== "connected") return;
  if (channelId === CHANNEL.FILE && packet.length === 0) {
    peer.send(CHANNEL.FILE, file);
    return;
  }
  tally(client, channelId).add(packet.view);
  if (channelId === CHANNEL.BROADCAST) broadcastWhenAllAreReady(server);
  else if (channelId !== CHANNEL.FILE) peer.send(channelId, packet, packet.flags);
}

const broadcasted = new Tally();

function isReady({ received }: Client): boolean {
  return received.has(CHANNEL.BROADCAST);
}

function broadcastWhenAllAreReady(server: Host): void {
  if (![...clients.values()].every(isReady)) return;
  for (const client of clients.values()) client.lastNewsMs = performance.now();
  for (let i = 0; i < COUNT.BROADCAST; i++) {
    const message = contents("broadcast", i, 1024);
    broadcasted.add(message);
    server.broadcast(CHANNEL.BROADCAST, message);
  }
}

function onEvent(server: Host, event: HostEvent): void {
  if (event.type === "receive") onReceive(server, event);
  if (event.type !== "disconnect") return;
  const client = peers.get(event.peer);
  if (client) client.ending = `${event.reason} ${event.data}`;
}

async function serve(server: Host): Promise<void> {
  for await (const event of server) if (!ended) onEvent(server, event);
}

// The clients.

/** The last stage a client has finished. */
function after(client: Client): string {
  const last = [...client.reports.keys()].at(-1);
  return last === undefined ? "from its start" : `after the stage "${last}"`;
}

function start(name: Runtime, port: number, serverKey: string): Client {
  const executable = runtimes()[name];
  const [fault, faulty] = (process.env.ENETJS_DEMO_FAULT ?? "").split(":");
  const args = {
    deno: ["run", "-A", "--no-check"],
    bun: ["run"],
    node: ["--disable-warning=ExperimentalWarning"],
  };
  const child = spawn(
    executable,
    [
      ...args[name],
      fileURLToPath(new URL("client.ts", import.meta.url)),
      name,
      String(port),
      serverKey,
      ...(faulty === name ? [fault] : []),
    ],
    { stdio: ["pipe", "pipe", "pipe"] },
  );
  const client: Client = {
    name,
    executable,
    child,
    reports: new Map(),
    received: new Map(),
    lastNewsMs: performance.now(),
    exit: undefined,
    stderr: "",
    ending: undefined,
    faults: [],
  };
  createInterface(child.stdout!).on("line", (line) => onLine(client, line));
  child.stderr!.setEncoding("utf8").on("data", (text: string) => client.stderr += text);
  child.on("error", (error) => client.faults.push(`could not be started: ${error.message}`));
  child.on("close", (code, signal) => {
    client.exit = signal ?? `status ${code}`;
    if (!ended && (code !== 0 || !client.reports.has("disconnect"))) {
      client.faults.push(`ended with ${client.exit} ${after(client)} ${client.stderr}`.trim());
    }
  });
  return client;
}

function onLine(client: Client, line: string): void {
  const report: Report = JSON.parse(line);
  client.reports.set(report.stage, report);
  client.lastNewsMs = performance.now();
  const reports = [...clients.values()].map(({ reports }) => reports.get(report.stage));
  if (reports.includes(undefined)) return;
  const messages = reports.reduce((sum, r) => sum + r!.messages, 0);
  const bytes = reports.reduce((sum, r) => sum + r!.bytes, 0);
  const lost = reports.reduce((sum, r) => sum + Number(r!.detail.lost ?? 0), 0);
  print(
    `${report.stage.padEnd(16)}${String(messages).padStart(6)} messages` +
      `${amount(bytes).padStart(10)}${seconds().padStart(9)}${lost > 0 ? `  ${lost} lost` : ""}`,
  );
}

/** Waits until every client has ended, or one is in trouble. */
async function watch(): Promise<void> {
  const all = [...clients.values()];
  while (all.some(({ exit }) => exit === undefined)) {
    await new Promise((resolve) => setTimeout(resolve, 20));
    const waitsForOthers = (client: Client) => isReady(client) && !all.every(isReady);
    for (const client of all) {
      if (client.exit !== undefined || waitsForOthers(client)) continue;
      if (performance.now() - client.lastNewsMs > SILENCE_MS) {
        client.faults.push(`reported nothing for ${SILENCE_MS / 1000} s ${after(client)}`);
      }
    }
    if (all.some(({ faults }) => faults.length > 0)) return;
  }
}

// The comparison.

/** What differs between what a client and the server know. */
function differences(client: Client): string[] {
  const found = [...client.faults];
  const expect = (what: string, actual: unknown, expected: unknown) => {
    if (actual !== expected) found.push(`${what}: ${actual}, expected ${expected}`);
  };
  const detail = (stage: Stage) => client.reports.get(stage)?.detail;
  const seen = (channelId: number) => client.received.get(channelId) ?? new Tally();
  if (detail("round trips")) {
    expect("round trips at the server", seen(CHANNEL.PING).messages, COUNT.PING);
  }
  const unreliable = detail("unreliable");
  if (unreliable) {
    // The message that marks the end is counted here, but not by the client.
    const atServer = seen(CHANNEL.UNRELIABLE).messages - 1;
    const plausible = Number(unreliable.arrived) <= atServer && atServer <= COUNT.UNRELIABLE;
    expect("unreliable messages at the server are within bounds", plausible, true);
    // How many get lost is up to the machine: ENet sends fewer when round trips get longer.
    expect("unreliable messages came back", Number(unreliable.arrived) > 0, true);
  }
  for (const kind of ["reliable", "fragmented"] as const) {
    if (!detail(kind)) continue;
    const [channelId, count] = kind === "reliable"
      ? [CHANNEL.RELIABLE, COUNT.RELIABLE]
      : [CHANNEL.FRAGMENTED, COUNT.FRAGMENTED];
    const expected = new Tally();
    for (let i = 0; i < count; i++) expected.add(contents(client.name, i, sizeOf(kind, i)));
    expect(`${kind} messages at the server`, seen(channelId).messages, count);
    expect(
      `SHA-256 of ${kind} messages at the server`,
      seen(channelId).digest(),
      expected.digest(),
    );
    expect(`SHA-256 of ${kind} messages sent`, detail(kind)?.sha256, expected.digest());
  }
  if (detail("file to server")) {
    const expected = sha256(readHead(client.executable));
    expect("SHA-256 of the file at the server", seen(CHANNEL.FILE).digest(), expected);
  }
  if (detail("file to client")) {
    expect("SHA-256 of the file at the client", detail("file to client")?.sha256, sha256(file));
  }
  if (detail("broadcast")) {
    expect("SHA-256 of the broadcast", detail("broadcast")?.sha256, broadcasted.digest());
  }
  if (detail("disconnect")) expect("end of the connection", client.ending, "remote 42");
  return found;
}

function table(rows: string[][]): string {
  const widths = rows[0].map((_, i) => Math.max(...rows.map((row) => row[i].length)));
  return rows.map((row) =>
    row.map((cell, i) => i >= 2 && i <= 4 ? cell.padStart(widths[i]) : cell.padEnd(widths[i]))
      .join("  ").trimEnd()
  ).join("\n");
}

/** Prints the table and what differed; returns whether nothing did. */
function conclude(): boolean {
  let ok = true;
  const rows = [["runtime", "version", "messages", "bytes", "RTT ms", "verified"]];
  const faults: string[] = [];
  for (const client of clients.values()) {
    const found = differences(client);
    const verified = found.length > 0
      ? "NO"
      : client.reports.size < STAGES.length
      ? "stopped"
      : "yes";
    ok &&= verified === "yes";
    const reports = [...client.reports.values()];
    rows.push([
      client.name,
      String(client.reports.get("connect")?.detail.version ?? "-"),
      reports.reduce((sum, { messages }) => sum + messages, 0).toLocaleString("en-US"),
      reports.reduce((sum, { bytes }) => sum + bytes, 0).toLocaleString("en-US"),
      String(client.reports.get("round trips")?.detail.median ?? "-"),
      verified,
    ]);
    faults.push(...found.map((fault) => `${client.name}: ${fault}`));
  }
  print(`\n${table(rows)}\n`);
  if (ok) print(`Everything reliable arrived, and nothing differs. It took ${seconds()}.`);
  else print(`Failed after ${seconds()}:\n${faults.map((fault) => `  ${fault}`).join("\n")}`);
  return ok;
}

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.on(signal, () => {
    killAll();
    process.exit(130);
  });
}

const { libenet, libsodium } = await versions();
const keyPair = await generateKeyPair();
const security = libsodium === undefined ? undefined : { keyPair };
const serverKey = security === undefined ? "" : keyToText("host_public", keyPair.publicKey);
const server = await Host.listen({ hostname: "127.0.0.1", channels: CHANNELS, security });
const serving = serve(server);
print(
  `server on ${server.address.hostname}:${server.address.port}, libenet ${libenet}, ` +
    (security === undefined ? "not encrypted: there is no libsodium" : `libsodium ${libsodium}`),
);
try {
  for (const name of ["deno", "bun", "node"] as const) {
    clients.set(name, start(name, server.address.port, serverKey));
  }
  await watch();
} finally {
  ended = true;
  killAll();
}
await server.close({ graceMs: 200 });
await serving;
process.exit(conclude() ? 0 : 1);
