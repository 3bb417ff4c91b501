/** What clients hear when the host that they are connected to ends: programs on plain libenet. */
import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import { ENetError, Host } from "../../mod.ts";
import { runtimes } from "../../tools/setup.ts";
import {
  connectedPair,
  currentRuntime,
  leakCheck,
  type Program,
  spawnProgram,
  spawnRuntime,
  until,
  withDeadline,
} from "../_helpers.ts";

const CLIENTS = 4;
const runtime = currentRuntime();
const peerProgram = fileURLToPath(new URL("../../native/build/enet_peer", import.meta.url));

/** Clients on plain libenet; the caller disposes of them. */
function startClients(stack: AsyncDisposableStack, port: number): Program[] {
  return Array.from(
    { length: CLIENTS },
    () => stack.use(spawnProgram(peerProgram, ["client", "--port", `${port}`])),
  );
}

/** Waits for all clients to be told, and quits them; each has been told once. */
async function checkTold(clients: Program[]): Promise<void> {
  for (const client of clients) assert.equal(await client.line("disconnect "), "0");
  for (const client of clients) client.write("quit");
  for (const client of clients) {
    const { stdout } = await withDeadline(client.ended, 60_000, "the end of a client");
    assert.equal(stdout, "connect 0\ndisconnect 0\n");
  }
}

/** Resolves when a port can be listened on. */
async function checkFree(port: number): Promise<void> {
  const listens = async () => {
    try {
      await using host = await Host.listen({ hostname: "127.0.0.1", port });
      return host.address.port === port;
    } catch (error) {
      if (error instanceof ENetError && error.code === "ENETJS_ERR_ADDRESS_IN_USE") return false;
      throw error;
    }
  };
  await until(listens, 10_000, `port ${port} to be free`);
}

const ways: Record<string, { code: number; stderr?: RegExp; stdout?: RegExp }> = {
  "close": { code: 0, stdout: /closed\n$/ },
  "close without grace": { code: 0, stdout: /closed\n$/ },
  "dispose": { code: 0, stdout: /closed\n$/ },
  "exit": { code: 0 },
  "exit without a pump": { code: 0 },
  "natural end": { code: 0 },
  "throw": { code: 1, stderr: /thrown on purpose/ },
};
for (const [way, expected] of Object.entries(ways)) {
  test(`Peers whose events nobody has taken are told: ${way}`, async () => {
    await using stack = new AsyncDisposableStack();
    const program = stack.use(spawnRuntime(runtime, "notice.ts", [way]));
    const clients = startClients(stack, Number(await program.line("port ")));
    await checkTold(clients);
    const end = await withDeadline(program.ended, 60_000, way);
    assert.equal(end.code, expected.code, end.stderr);
    assert.match(end.stdout, expected.stdout ?? /^port \d+\n$/);
    assert.match(end.stderr, expected.stderr ?? /^$/);
  });
}

test("Peers of a Worker that is terminated are told, and its port is free", async () => {
  await using stack = new AsyncDisposableStack();
  const worker = new Worker(new URL("../programs/notice_worker.ts", import.meta.url));
  let port = 0;
  let peers = 0;
  worker.on("message", (message) => ({ port = port, peers = peers } = message));
  const clients = startClients(stack, await until(() => port, 20_000, "the worker's port"));
  await until(() => peers === CLIENTS, 20_000, "all clients connected");
  await withDeadline(worker.terminate(), 20_000, "the end of the worker");
  await checkTold(clients);
  await checkFree(port);
});

/** A program that reloads when its file changes; the first load listens on any port. */
const reloading = (load: number, port: number) => `
import { Host } from ${JSON.stringify(new URL("../../mod.ts", import.meta.url).href)};
const host = await Host.listen({ hostname: "127.0.0.1", port: ${port} });
console.log("load ${load} port", host.address.port);
setInterval(() => {
  if (!host.closed && host.stats.connectedPeers === ${CLIENTS}) console.log("load ${load} full");
}, 20);
`;
const watchers: Record<typeof runtime, readonly string[] | undefined> = {
  deno: ["run", "-A", "--no-check", "--watch"],
  bun: ["--hot"],
  node: undefined,
};

test("A program that is reloaded has its port again, and its peers are told", {
  skip: watchers[runtime] === undefined,
}, async (t) => {
  const folder = await mkdtemp(`${tmpdir()}/enetjs-reload-`);
  t.after(() => rm(folder, { recursive: true }));
  const file = `${folder}/program.ts`;
  await writeFile(file, reloading(1, 0));
  await using stack = new AsyncDisposableStack();
  const flags = watchers[runtime] ?? [];
  const program = stack.use(spawnProgram(runtimes()[runtime], [...flags, file]));
  const port = Number(await program.line("load 1 port "));
  for (let load = 1; load <= 3; load++) {
    const clients = startClients(stack, port);
    await program.line(`load ${load} full`);
    await writeFile(file, reloading(load + 1, port));
    assert.equal(await program.line(`load ${load + 1} port `), `${port}`);
    await checkTold(clients);
  }
});

/**
 * A program that reports what becomes of an attempt to connect, to a port where nobody answers. A load that finds the
 * timers of an earlier one in the same process has their time come at once.
 */
const attempting = (load: number, port: number) => `
import { Host } from ${JSON.stringify(new URL("../../mod.ts", import.meta.url).href)};
const LIMIT_MS = 600_000;
const left = globalThis.timers?.splice(0) ?? [];
globalThis.timers ??= [];
globalThis.realSetTimeout ??= setTimeout;
globalThis.setTimeout = (call, ms, ...rest) => {
  if (ms === LIMIT_MS) globalThis.timers.push(call);
  return globalThis.realSetTimeout(call, ms, ...rest);
};
const host = await Host.create();
const attempt = host.connect({ hostname: "127.0.0.1", port: ${port} }, { timeoutMs: LIMIT_MS });
attempt.catch(({ code }) => console.log("load ${load} ends", code));
if (globalThis.timers.length !== 1) throw new Error("the attempt has no timer");
if (${load} === 1) console.log("load 1 begins");
for (const call of left) call();
if (${load} === 2) globalThis.realSetTimeout(() => console.log("load 2 timers", left.length), 100);
`;

test("An attempt to connect of an earlier load does nothing more", {
  skip: watchers[runtime] === undefined,
}, async (t) => {
  const folder = await mkdtemp(`${tmpdir()}/enetjs-reload-`);
  t.after(() => rm(folder, { recursive: true }));
  await using silent = await Host.listen({ hostname: "127.0.0.1", pump: false });
  const { port } = silent.address;
  const file = `${folder}/program.ts`;
  await writeFile(file, attempting(1, port));
  await using stack = new AsyncDisposableStack();
  const flags = watchers[runtime] ?? [];
  const program = stack.use(spawnProgram(runtimes()[runtime], [...flags, file]));
  await program.line("load 1 begins");
  // The runtime may not watch the file yet.
  let timers: string | undefined;
  for (let i = 0; i < 10 && timers === undefined; i++) {
    await writeFile(file, attempting(2, port));
    timers = await program.line("load 2 timers ", 3000).catch(() => undefined);
  }
  // Deno drops the timers of an earlier load itself.
  assert.equal(timers, runtime === "deno" ? "0" : "1");
  program.process.kill("SIGKILL");
  const { stdout } = await program.ended;
  assert.doesNotMatch(stdout, /load 1 ends/);
});

test("Host.close() ends an attempt to connect, and the other side is told", async (t) => {
  await leakCheck(t);
  const reason = Promise.withResolvers<string>();
  await using server = await Host.listen({ hostname: "127.0.0.1", pump: false }, {
    disconnect: (_peer, why) => reason.resolve(why),
  });
  const client = await Host.create();
  const connecting = assert.rejects(client.connect(server.address), {
    code: "ENETJS_ERR_CLOSED",
  });
  await until(() => client.stats.totalSentPackets > 0, 20_000, "a request to connect");
  const closing = client.close({ graceMs: 20_000 });
  await withDeadline(connecting, 20_000, "the end of the attempt");
  assert.equal(client.closed, false, "the other side has not answered yet");
  const ticker = setInterval(() => server.service(), 1);
  await withDeadline(closing, 10_000, "closing");
  assert.equal(await withDeadline(reason.promise, 20_000, "the disconnect event"), "remote");
  clearInterval(ticker);
});

test("Host.close() does not wait for an answer longer than graceMs", async (t) => {
  await leakCheck(t);
  await using silent = await Host.listen({
    hostname: "127.0.0.1",
    filter: { deny: ["127.0.0.1"] },
  });
  const client = await Host.create();
  const connecting = assert.rejects(client.connect(silent.address), {
    code: "ENETJS_ERR_CLOSED",
  });
  await withDeadline(client.close({ graceMs: 50 }), 20_000, "closing");
  await connecting;
});

test("A disconnect that waits keeps its data when the host is closed", async (t) => {
  await leakCheck(t);
  const told = Promise.withResolvers<number>();
  await using pair = await connectedPair({
    serverHandlers: { disconnect: (_peer, _why, data) => told.resolve(data) },
  });
  pair.peer.send(0, new Uint8Array(1_000_000));
  const disconnected = pair.peer.disconnectLater(42);
  await withDeadline(pair.client.close({ graceMs: 20_000 }), 10_000, "closing");
  await disconnected;
  assert.equal(await withDeadline(told.promise, 20_000, "the disconnect event"), 42);
});
