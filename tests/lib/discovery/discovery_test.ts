/**
 * Servers announce themselves, and programs find them.
 *
 * @module
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Host } from "../../../mod.ts";
import { announce, discover, type DiscoveredServer } from "../../../lib/discovery/mod.ts";
import {
  currentRuntime,
  leakCheck,
  rejection,
  spawnRuntime,
  until,
  withDeadline,
} from "../../_helpers.ts";
import { over6 } from "../_ipv6.ts";
import { boundSocket, newPlace, type Place, socketCount } from "./_discovery.ts";

const DEADLINE_MS = 60_000;
const ALONE = { peers: 5, hostname: "127.0.0.1" };

/** The servers that are found, until there are so many. */
async function findSome(place: Place, count: number): Promise<DiscoveredServer[]> {
  const found: DiscoveredServer[] = [];
  const collect = async () => {
    for await (const server of discover({ ...place, timeoutMs: Infinity })) {
      if (server.status === "found") found.push(server);
      if (found.length === count) break;
    }
  };
  await withDeadline(collect(), DEADLINE_MS, `${count} servers`);
  return found;
}

const namesOf = (servers: DiscoveredServer[]) => servers.map(({ name }) => name).sort();

test("A server is found with all that it tells, and can be connected to", async (t) => {
  await leakCheck(t);
  const place = await newPlace();
  await using host = await Host.listen(ALONE, {});
  using announcement = await announce(host, { ...place, name: "Grüße 👋", data: "map=3" });
  const [server] = await findSome(place, 1);
  assert.deepEqual(server.address, host.address);
  assert.equal(server.name, "Grüße 👋");
  assert.equal(new TextDecoder().decode(server.data), "map=3");
  assert.deepEqual([server.peers, server.maximumPeers], [0, 5]);
  assert.match(server.id, /^[\da-f]{16}$/);
  assert.ok(server.roundTripMs >= 0);

  await using client = await Host.create();
  await client.connect(server.address);
  await until(() => host.peers.length === 1, DEADLINE_MS, "the connection");
  const [later] = await findSome(place, 1);
  assert.equal(later.peers, 1);
  assert.notEqual(later.id, server.id);
  assert.equal(announcement.stopped, false);
});

test("A host on all interfaces is found by a search on all", async () => {
  const { interfaces: _, ...place } = await newPlace();
  await using host = await Host.listen({}, {});
  using _announcement = await announce(host, { ...place, name: "everywhere" });
  const [server] = await findSome(place as Place, 1);
  assert.equal(server.address.port, host.address.port);
});

test("Several servers of one process and of several are all found, and are told apart", async () => {
  const place = await newPlace();
  await using stack = new AsyncDisposableStack();
  for (const name of ["one", "two"]) {
    const host = stack.use(await Host.listen(ALONE, {}));
    await announce(host, { ...place, name });
  }
  for (const name of ["three", "four"]) {
    const given = { listen: ALONE, announce: { ...place, name } };
    const program = spawnRuntime(currentRuntime(), "discovery.ts", [JSON.stringify(given)]);
    stack.use(program);
    await program.line("announced ");
  }
  const found = await findSome(place, 4);
  assert.deepEqual(namesOf(found), ["four", "one", "three", "two"]);
  assert.equal(new Set(found.map(({ id }) => id)).size, 4);
  assert.equal(new Set(found.map(({ address }) => address.port)).size, 4);
});

test("Servers of another game or version are not found", async () => {
  const place = await newPlace();
  await using stack = new AsyncDisposableStack();
  const others = [{ game: "tes" }, { game: "test2" }, { version: 1 }, {}];
  for (const other of others) {
    const host = stack.use(await Host.listen(ALONE, {}));
    await announce(host, { ...place, name: JSON.stringify(other), ...other });
  }
  // Those that are wrong would answer earlier.
  assert.deepEqual(namesOf(await findSome(place, 1)), ["{}"]);
  assert.deepEqual(namesOf(await findSome({ ...place, game: "tes" }, 1)), ['{"game":"tes"}']);
});

test("A server is yielded when it is found, when it changes, and when it is lost", async () => {
  const place = await newPlace();
  await using host = await Host.listen(ALONE, {});
  const announcement = await announce(host, { ...place, name: "first" });
  const news: string[] = [];
  const ids = new Set<string>();
  const look = async () => {
    for await (const { status, name, id } of discover({ ...place, timeoutMs: Infinity })) {
      news.push(`${status} ${name}`);
      ids.add(id);
      if (status === "found") announcement.name = "second";
      if (status === "changed") await host.close();
      if (status === "lost") break;
    }
  };
  await withDeadline(look(), DEADLINE_MS, "the end of the server");
  assert.deepEqual(news, ["found first", "changed second", "lost second"]);
  assert.equal(ids.size, 1);
  assert.ok(announcement.stopped);
});

test("An announcement ends with its host, by stop() and by dispose; all of it twice", async () => {
  const place = await newPlace();
  await using host = await Host.listen(ALONE, {});
  const before = socketCount();
  const stopped = await announce(host, { ...place, name: "stopped" });
  const disposed = await announce(host, { ...place, name: "disposed" });
  const closed = await announce(host, { ...place, name: "closed" });
  stopped.stop();
  stopped.stop();
  disposed[Symbol.dispose]();
  assert.deepEqual(namesOf(await findSome(place, 1)), ["closed"]);
  const closing = host.close();
  assert.ok(closed.stopped && disposed.stopped && stopped.stopped);
  await closing;
  stopped.stop();
  closed.name = "nobody hears it";
  assert.equal(closed.name, "nobody hears it");
  if (before === undefined) return;
  await until(() => (socketCount() as number) <= before, DEADLINE_MS, "the end of the sockets");
});

test("A host that closes while it is being announced leaves nothing behind", async () => {
  const place = await newPlace();
  const host = await Host.listen(ALONE, {});
  const before = socketCount();
  const announcing = announce(host, { ...place, name: "late" });
  host[Symbol.dispose]();
  assert.ok((await announcing).stopped);
  assert.match(
    await rejection(announce(host, { ...place, name: "late" }), "ENETJS_ERR_CLOSED"),
    /closed/,
  );
  if (before === undefined) return;
  await until(() => (socketCount() as number) <= before, DEADLINE_MS, "the end of the sockets");
});

test("A search ends by its time, by its signal and by leaving the loop, and closes its sockets", async () => {
  const place = await newPlace();
  const before = socketCount();
  const drain = async (options: Parameters<typeof discover>[0]) => {
    for await (const server of discover(options)) assert.fail(server.name);
  };
  await drain({ ...place, timeoutMs: 1 });

  const end = new AbortController();
  const ending = drain({ ...place, timeoutMs: Infinity, signal: end.signal });
  setTimeout(() => end.abort(new Error("enough")), 10);
  await withDeadline(ending, DEADLINE_MS, "the end by the signal");
  await drain({ ...place, timeoutMs: Infinity, signal: end.signal });

  // Left while a value is waited for, and before anything was asked for.
  const search = discover({ ...place, timeoutMs: Infinity });
  const waiting = [search.next(), search.next()];
  await search.return?.();
  const ends = await withDeadline(Promise.all(waiting), DEADLINE_MS, "the end by return()");
  assert.deepEqual(ends.map(({ done }) => done), [true, true]);
  assert.equal((await search.next()).done, true);
  await discover({ ...place, timeoutMs: Infinity }).return?.();
  if (before === undefined) return;
  await until(() => (socketCount() as number) <= before, DEADLINE_MS, "the end of the sockets");
});

test("A server may be asked by its address, if it answers more than its networks", async () => {
  const { discoveryPort, game, interfaces } = await newPlace();
  await using host = await Host.listen(ALONE, {});
  const announced = { discoveryPort, game, interfaces, name: "asked", offLink: true };
  using _announcement = await announce(host, announced);
  for (const address of ["127.0.0.1", "::ffff:127.0.0.1"]) {
    const search = discover({ discoveryPort, game, addresses: [address], timeoutMs: Infinity });
    const { value } = await withDeadline(search.next(), DEADLINE_MS, `the server at ${address}`);
    await search.return?.();
    assert.deepEqual(value.address, host.address);
  }
});

test("An announcement does not keep a process alive whose host does not", async () => {
  const place = await newPlace();
  const given = { listen: ALONE, announce: { ...place, name: "leaving" }, unref: true };
  await using program = spawnRuntime(currentRuntime(), "discovery.ts", [JSON.stringify(given)]);
  const { code, stderr } = await withDeadline(program.ended, DEADLINE_MS, "the end");
  assert.equal(code, 0, stderr);
});

test("A port that somebody has for himself is an error", async () => {
  const place = await newPlace();
  await using host = await Host.listen(ALONE, {});
  const socket = await boundSocket("0.0.0.0", 0);
  try {
    const { port: discoveryPort } = socket.address();
    const announcing = announce(host, { ...place, discoveryPort, name: "refused" });
    const message = await rejection(announcing, "ENETJS_ERR_ADDRESS_IN_USE");
    assert.match(message, new RegExp(`127\\.0\\.0\\.1 on UDP port ${discoveryPort}`));
    assert.match(message, /choose another discoveryPort/);
  } finally {
    socket.close();
  }
});

test("Interfaces that are none, and hosts that no network reaches, are errors", async () => {
  const place = await newPlace();
  await using host = await Host.listen(ALONE, {});
  const nowhere = { ...place, interfaces: ["none0"] };
  const code = "ENETJS_ERR_ADDRESS_UNAVAILABLE";
  const announcing = announce(host, { ...nowhere, name: "nowhere" });
  assert.match(await rejection(announcing, code), /no network interface of "none0".*has "/);
  assert.match(await rejection(discover(nowhere).next(), code), /no network interface of "none0"/);
});

over6("A host on ::1 cannot be announced, and the error says where to listen instead", async () => {
  await using host = await Host.listen({ hostname: "::1" }, {});
  const { game, discoveryPort } = await newPlace();
  const announcing = announce(host, { game, discoveryPort, name: "nowhere" });
  assert.match(
    await rejection(announcing, "ENETJS_ERR_ADDRESS_UNAVAILABLE"),
    /^Announcing \[::1\]: no network interface will do; .*reaches this host: listen without hostname$/,
  );
});

test("Wrong options are refused with their values", async () => {
  const place = await newPlace();
  await using host = await Host.listen(ALONE, {});
  await using client = await Host.create();
  const wrong: [Record<string, unknown>, RegExp][] = [
    [{ game: undefined }, /TypeError: game must be a string, not undefined/],
    [{ game: "" }, /TypeError: game must be a text in one line/],
    [{ game: "x".repeat(65) }, /RangeError: game must be at most 64 bytes of UTF-8, not 65/],
    [{ version: -1 }, /RangeError: version must be .* not -1/],
    [{ discoveryPort: 0 }, /RangeError: discoveryPort must be .* not 0/],
    [{ interfaces: "eth0" }, /TypeError: interfaces must be an array .* not "eth0"/],
    [{ interfaces: [] }, /TypeError: interfaces must be an array of at least one/],
    [{ interfaces: [7] }, /TypeError: interfaces\[0\] must be a string, not 7/],
    [{ gaem: "x" }, /TypeError: options has no option "gaem" \(did you mean "game"\?\)/],
  ];
  const names: typeof wrong = [
    [{ name: undefined }, /TypeError: name must be a string/],
    [{ name: "ü".repeat(33) }, /RangeError: name must be at most 64 bytes of UTF-8, not 66/],
    [{ name: "two\nlines" }, /TypeError: name must be a text in one line/],
    [{ name: "\u202Eesrever" }, /TypeError: name must be a text in one line/],
    [{ name: "\uD800" }, /TypeError: name must be a text in one line/],
    [{ data: "x".repeat(513) }, /RangeError: data must be at most 512 bytes, not 513/],
    [{ data: 7 }, /TypeError/],
    [{ offLink: 1 }, /TypeError: offLink must be a boolean, not 1/],
  ];
  const searches: typeof wrong = [
    [{ timeoutMs: 0 }, /RangeError: timeoutMs must be .* not 0/],
    [{ signal: 7 }, /TypeError: signal must be an AbortSignal, not 7/],
    [{ addresses: ["127.0.0.1"] }, /TypeError: addresses and interfaces exclude each other/],
    [{ addresses: ["localhost"], interfaces: undefined }, /TypeError: .*resolve it first/],
    [{ addresses: ["239.1.2.3"], interfaces: undefined }, /TypeError: .*of one machine/],
    [{ addresses: ["0.0.0.0"], interfaces: undefined }, /TypeError: .*of one machine/],
    [{ addresses: ["::"], interfaces: undefined }, /TypeError: .*of one machine/],
    [
      { addresses: Array(33).fill("127.0.0.1"), interfaces: undefined },
      /RangeError: addresses must be at most 32, not 33/,
    ],
  ];
  const complaint = (error: unknown) => `${(error as Error).name}: ${(error as Error).message}`;
  const announced = { ...place, name: "wrong" };
  for (const [options, message] of [...wrong, ...names]) {
    const given = { ...announced, ...options } as typeof announced;
    assert.match(await announce(host, given).then(String, complaint), message);
  }
  for (const [options, message] of [...wrong, ...searches]) {
    assert.throws(() => discover({ ...place, ...options } as Place), (error) => {
      assert.match(complaint(error), message);
      return true;
    });
  }
  assert.match(await announce(client, announced).then(String, complaint), /one of Host\.listen/);
  assert.match(
    await announce({} as Host, announced).then(String, complaint),
    /host must be a Host, not an object/,
  );
  using announcement = await announce(host, announced);
  assert.throws(() => announcement.name = "\n", TypeError);
  assert.throws(() => Object.assign(announcement, { nmae: "x" }), /no property "nmae".*"name"/);
  announcement.data = new Uint8Array([1, 2]);
  assert.deepEqual([...announcement.data], [1, 2]);
});
