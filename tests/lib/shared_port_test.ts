/** One port with several hosts: `reusePort`, and the sockets of a `SharedPort`. */
import assert from "node:assert/strict";
import { once } from "node:events";
import process from "node:process";
import { test } from "node:test";
import { Worker } from "node:worker_threads";
import { Host, type ListenOptions, type Peer, SharedPort } from "../../mod.ts";
import { nativeError } from "../../lib/errors.ts";
import {
  currentRuntime,
  leakCheck,
  type Program,
  rejection,
  spawnRuntime,
  until,
  withDeadline,
} from "../_helpers.ts";
import { isPossible } from "./_ipv6.ts";
import { refuses, refusesAllButIntegers } from "./_refuses.ts";

const PATIENCE_MS = 60_000;
/** So many are not all given to one of two sockets, but for one run in a million. */
const CLIENTS = 20;
const LOCAL = "127.0.0.1";
const isLinux = process.platform === "linux";
const onLinux = { skip: !isLinux };

/** An echo server that says which one it is. */
function echo(mark: string, options: ListenOptions): Promise<Host> {
  return Host.listen(options, {
    receive: (peer, channelId, packet) => void peer.send(channelId, `${mark} ${packet.text()}`),
  });
}

/** A client with a socket of its own, and the server that it has found. */
interface Client extends AsyncDisposable {
  readonly host: Host;
  readonly peer: Peer;
  readonly mark: string;
}

async function ask(peer: Peer): Promise<string> {
  peer.send(0, "who");
  const answer = await withDeadline(peer.receive(), PATIENCE_MS, "an answer");
  return answer.packet.text().split(" ")[0];
}

async function connect(port: number): Promise<Client> {
  const host = await Host.create();
  const peer = await host.connect({ hostname: LOCAL, port }, { timeoutMs: PATIENCE_MS });
  return {
    host,
    peer,
    mark: await ask(peer),
    [Symbol.asyncDispose]: () => host[Symbol.asyncDispose](),
  };
}

/** Connects clients until each of the servers has one. */
async function connectToEach(
  stack: AsyncDisposableStack,
  port: number,
  marks: readonly string[],
): Promise<Client[]> {
  const clients: Client[] = [];
  while (!marks.every((mark) => clients.some((client) => client.mark === mark))) {
    assert.ok(clients.length < CLIENTS * marks.length, "each server gets clients");
    clients.push(stack.use(await connect(port)));
  }
  return clients;
}

test("Hosts with reusePort share the clients of a port", onLinux, async (t) => {
  await leakCheck(t);
  await using stack = new AsyncDisposableStack();
  const first = stack.use(await echo("a", { hostname: LOCAL, reusePort: true }));
  const { port } = first.address;
  stack.use(await echo("b", { hostname: LOCAL, port, reusePort: true }));
  const clients = await connectToEach(stack, port, ["a", "b"]);
  assert.equal(first.peers.length, clients.filter(({ mark }) => mark === "a").length);
  await rejection(Host.listen({ hostname: LOCAL, port }), "ENETJS_ERR_ADDRESS_IN_USE");
});

test(
  "Workers of a shared port have a socket each, and keep it without the port",
  onLinux,
  async (t) => {
    await leakCheck(t);
    await using stack = new AsyncDisposableStack();
    const port = await SharedPort.open({ sockets: 2, hostname: LOCAL });
    assert.equal(port.address.hostname, LOCAL);
    assert.equal(port.workers, 0);
    const sharedPort = port.name;
    const first = stack.use(await echo("a", { sharedPort }));
    const second = stack.use(await echo("b", { sharedPort }));
    assert.deepEqual([first.address, second.address], [port.address, port.address]);
    assert.equal(port.workers, 2);
    await connectToEach(stack, port.address.port, ["a", "b"]);
    const taken = rejection(Host.listen({ sharedPort }), "ENETJS_ERR_SOCKETS_TAKEN");
    assert.match(await taken, /enetjs-[0-9a-f]{32}: each socket .* has a worker; open .* more/);
    await rejection(
      SharedPort.open({ sockets: 1, hostname: LOCAL, port: port.address.port }),
      "ENETJS_ERR_ADDRESS_IN_USE",
    );
    port.close();
    port.close();
    assert.deepEqual([port.closed, port.workers, port.address], [true, 0, first.address]);
    await rejection(Host.listen({ sharedPort }), "ENETJS_ERR_NO_HOLDER");
    // Both go on.
    await connectToEach(stack, first.address.port, ["a", "b"]);
  },
);

test("A host waits for the socket of a host that is being closed", onLinux, async (t) => {
  await leakCheck(t);
  using port = await SharedPort.open({ sockets: 1, hostname: LOCAL });
  const first = await echo("a", { sharedPort: port.name });
  const replacement = echo("b", { sharedPort: port.name });
  await first.close();
  await using second = await replacement;
  assert.deepEqual(second.address, port.address);
});

test("A shared port takes IPv6 and IPv4 by default", onLinux, async () => {
  using port = await SharedPort.open({ sockets: 1 });
  await using server = await echo("a", { sharedPort: port.name });
  await using client = await connect(port.address.port);
  assert.equal(client.mark, "a");
  assert.deepEqual(server.address, port.address);
});

test("A shared port on an IPv6 address tells it", { skip: !isLinux || !isPossible }, async () => {
  using port = await SharedPort.open({ sockets: 1, hostname: "::1" });
  assert.equal(port.address.hostname, "::1");
  await using server = await echo("a", { sharedPort: port.name });
  assert.deepEqual(server.address, port.address);
});

/** Ends one of two workers. Its clients are lost, and find its replacement; those of the other notice nothing. */
async function replaceWorker(
  reason: "timeout" | "remote",
  start: (sharedPort: string, mark: string) => Promise<() => Promise<unknown>>,
): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const port = stack.use(await SharedPort.open({ sockets: 2, hostname: LOCAL }));
  const stops = new Map<string, () => Promise<unknown>>();
  stack.defer(async () => void await Promise.all([...stops.values()].map((stop) => stop())));
  for (const mark of ["a", "b"]) stops.set(mark, await start(port.name, mark));
  const clients = await connectToEach(stack, port.address.port, ["a", "b"]);
  const lost = clients.find(({ mark }) => mark === "a")!;
  const other = clients.find(({ mark }) => mark === "b")!;
  await stops.get("a")!();
  stops.set("a", await start(port.name, "c"));
  assert.equal(port.workers, 2);
  // Where nobody has told the client, its datagrams arrive at a host that does not know its connection.
  lost.peer.timeout({ limit: 1, minimumMs: 200, maximumMs: 400 });
  lost.peer.send(0, "anybody there?");
  assert.equal(await until(() => lost.peer.reason, PATIENCE_MS, "the end"), reason);
  const again = await lost.host.connect({ hostname: LOCAL, port: port.address.port }, {
    timeoutMs: PATIENCE_MS,
  });
  assert.equal(await ask(again), "c");
  assert.equal(await ask(other.peer), "b");
}

test("A killed process is replaced on its socket", onLinux, async () => {
  await replaceWorker("timeout", async (sharedPort, mark) => {
    const program: Program = spawnRuntime(currentRuntime(), "port_worker.ts", [sharedPort, mark]);
    await program.line("port ");
    return () => {
      program.process.kill("SIGKILL");
      return program.ended;
    };
  });
});

test("A terminated Worker is replaced on its socket", onLinux, async (t) => {
  await leakCheck(t);
  await replaceWorker("remote", async (sharedPort, mark) => {
    const url = new URL("../programs/port_worker.ts", import.meta.url);
    const worker = new Worker(url, { workerData: [sharedPort, mark] });
    await withDeadline(once(worker, "message"), PATIENCE_MS, "a Worker");
    return () => worker.terminate();
  });
});

test("The workers of examples/cluster.ts end when their primary is killed", onLinux, async () => {
  await using primary = spawnRuntime(currentRuntime(), "../../examples/cluster.ts");
  await primary.line("Before:");
  primary.process.kill("SIGKILL");
  // They have its stderr, which is open until all of them have ended.
  await withDeadline(primary.ended, PATIENCE_MS, "the end of the workers");
});

test("A shared port refuses what it can't do, and says so", async () => {
  const open = (options: unknown) => SharedPort.open(options as never);
  await refusesAllButIntegers((sockets) => open({ sockets }), "sockets", 1, 256);
  await refusesAllButIntegers((port) => open({ sockets: 1, port }), "port", 0, 65535);
  await refuses(() => open(undefined), TypeError, "options must be an object", "undefined");
  await refuses(() => open({ sockets: 1, reusePort: true }), TypeError, "reusePort");
  await refuses(() => open({ sockets: 1, hostname: 7 }), TypeError, "hostname", "not 7");
  await refuses(
    () => open({ sockets: 1, hostname: "0.0.0.0", ipv6Only: true }),
    TypeError,
    "ipv6Only",
  );
  const name = `enetjs-${"0123456789abcdef".repeat(2)}`;
  const none = `enetjs-${"0".repeat(32)}`;
  for (const sharedPort of [7777, "", "7777", name.toUpperCase(), `${name}0`, none]) {
    await refuses(() => Host.listen({ sharedPort } as never), TypeError, "sharedPort", "port.name");
  }
  for (
    const option of [{ port: 0 }, { hostname: "::" }, { ipv6Only: false }, { reusePort: true }]
  ) {
    const [[key, value]] = Object.entries(option);
    await refuses(
      () => Host.listen({ sharedPort: name, ...option }),
      TypeError,
      key,
      String(value),
      "sharedPort",
    );
  }
  await refuses(() => Host.create({ reusePort: true } as never), TypeError, "Host.listen");
  const make = SharedPort as unknown as new () => SharedPort;
  assert.throws(() => new make(), /SharedPort\.open/);
});

test("Where a port is not shared, the error says what works instead", async () => {
  assert.match(
    nativeError(-26, "Listening").message,
    /only Linux does; give each host a port of its own/,
  );
  if (isLinux) return;
  const options = { hostname: LOCAL, reusePort: true, unguarded: true };
  await rejection(Host.listen(options), "ENETJS_ERR_REUSE_PORT");
  await rejection(SharedPort.open({ sockets: 2 }), "ENETJS_ERR_REUSE_PORT");
});
