/**
 * The datagrams are what docs/discovery.md says: `tests/programs/discovery_peer.py` was written from that alone, and
 * both finds servers of this library and is found. Where network namespaces can be made, this goes over a link between
 * two of them, with real broadcasts, multicasts and addresses of another network.
 *
 * @module
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import process from "node:process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { Host } from "../../../mod.ts";
import { announce, discover } from "../../../lib/discovery/mod.ts";
import {
  currentRuntime,
  type Program,
  runtimeCommand,
  spawnProgram,
  withDeadline,
} from "../../_helpers.ts";
import { newPlace } from "./_discovery.ts";

const DEADLINE_MS = 60_000;
const PYTHON = "python3";
const FILE = fileURLToPath(new URL("../../programs/discovery_peer.py", import.meta.url));

const withoutPython = spawnSync(PYTHON, ["--version"]).status === 0
  ? false
  : "python3 is not on this machine, so nobody else speaks discovery's format";

if (withoutPython) console.warn(`SKIPPED: ${withoutPython}`);

/** A program, in a network namespace if one is named. */
function start(command: string, args: string[], namespace?: string): Program {
  if (namespace === undefined) return spawnProgram(command, args);
  return spawnProgram("ip", ["netns", "exec", namespace, command, ...args], { name: args[0] });
}

const python = (args: (string | number)[], namespace?: string) =>
  start(PYTHON, [FILE, ...args.map(String)], namespace);

/** What one pair of addresses has got, as the Python program prints it. */
async function answerFor(asking: Program, pair: string) {
  return JSON.parse(await asking.line(`${pair} `, DEADLINE_MS));
}

test(
  "A program in Python finds a server by multicast and by broadcast",
  { skip: withoutPython },
  async () => {
    const place = await newPlace();
    await using host = await Host.listen({ hostname: "127.0.0.1", peers: 9 }, {});
    using _announcement = await announce(host, {
      ...place,
      version: 3,
      name: "Grüße",
      data: new Uint8Array([0, 255]),
    });
    const pairs = ["127.0.0.1>239.255.36.38", "127.0.0.1>255.255.255.255"];
    await using asking = python(["ask", place.discoveryPort, place.game, 3, ...pairs]);
    const answers = await Promise.all(pairs.map((pair) => answerFor(asking, pair)));
    for (const { id, number, ...answer } of answers) {
      assert.match(id, /^[\da-f]{16}$/);
      assert.ok(number >= 1);
      const from = { from: "127.0.0.1", port: host.address.port };
      assert.deepEqual(answer, {
        ...{ peers: 0, most: 9, name: "Grüße", data: "00ff" },
        ...{ ...from, bytes: 35 + 7 + 2 },
      });
    }
    assert.equal(answers[0].id, answers[1].id);
  },
);

test("A server in Python is found", { skip: withoutPython }, async () => {
  const place = await newPlace();
  const options = ["127.0.0.1", "Schlange 🐍", "ssss"];
  await using serving = python(["serve", place.discoveryPort, place.game, 7, ...options]);
  const port = Number(await serving.line("serving "));
  const search = discover({ ...place, version: 7, timeoutMs: Infinity });
  const { value } = await withDeadline(search.next(), DEADLINE_MS, "the server");
  await search.return?.();
  const { roundTripMs: _, data, ...server } = value;
  assert.equal(new TextDecoder().decode(data), "ssss");
  assert.deepEqual(server, {
    status: "found",
    id: "07".repeat(8),
    address: { hostname: "127.0.0.1", port },
    name: "Schlange 🐍",
    peers: 3,
    maximumPeers: 16,
  });
});

/** Runs `ip`. @returns whether it succeeded */
const ip = (command: string) => spawnSync("ip", command.split(" ")).status === 0;

const [A, B] = ["a", "b"].map((name) => `enetjs-${process.pid}-${name}`);

/**
 * Two namespaces with a link between them. Both sides are on 10.77.0.0/24. The other side is also on 10.88.0.0/24,
 * which the server can reach but has no address of.
 */
function join(): Disposable & { readonly isMade: boolean } {
  return {
    isMade: [`netns add ${A}`, `netns add ${B}`].every(ip) && connect(),
    [Symbol.dispose]: () => [A, B].forEach((namespace) => ip(`netns delete ${namespace}`)),
  };
}

/** Makes the link. @returns whether that has succeeded */
function connect(): boolean {
  const end = `enetjs${process.pid}`;
  return [
    `link add ${end} netns ${A} type veth peer name ${end} netns ${B}`,
    ...[A, B].flatMap((namespace, index) => [
      `-n ${namespace} link set ${end} name veth0 addrgenmode none`,
      `-n ${namespace} address add 10.77.0.${index + 1}/24 broadcast + dev veth0`,
      `-n ${namespace} address add fe80::${index + 1}/64 dev veth0 nodad`,
      `-n ${namespace} link set veth0 up`,
      `-n ${namespace} link set lo up`,
    ]),
    `-n ${B} address add 10.88.0.2/24 broadcast + dev veth0`,
    `-n ${A} route add 10.88.0.0/24 via 10.77.0.2`,
    `-n ${B} route add default via 10.77.0.1`,
  ].every(ip);
}

test("Over a link, servers are found by broadcast and multicast, and answer no other network", async (t) => {
  using link = join();
  if (withoutPython || !link.isMade) {
    console.warn("SKIPPED: no network namespaces here, which need Linux, root and iproute2");
    return t.skip("no network namespaces");
  }
  const { game, discoveryPort } = await newPlace();
  const announcing = (announced: object, listen: object = {}) => {
    const given = { listen, announce: { game, discoveryPort, ...announced } };
    return runtime(given, A);
  };
  await using strict = announcing({ name: "strict" });
  await using open = announcing({ name: "open", game: "open", offLink: true });
  const ports = await Promise.all([strict, open].map((program) => program.line("announced ")));

  // Those that must not be answered come first: when a later one is answered, they have been.
  const refused = [
    "10.88.0.2>239.255.36.38",
    "10.88.0.2>255.255.255.255",
    "10.88.0.2>10.77.0.1",
    "10.77.0.2>10.77.0.1",
  ];
  const answered = [
    ["10.77.0.2>239.255.36.38", "10.77.0.1"],
    ["10.77.0.2>255.255.255.255", "10.77.0.1"],
    ["fe80::2%veth0>ff12::3638%veth0", "fe80::1"],
  ];
  const pairs = [...refused, ...answered.map(([pair]) => pair)];
  await using asking = python(["ask", discoveryPort, game, 0, ...pairs], B);
  for (const [pair, from] of answered) {
    const answer = await answerFor(asking, pair);
    assert.deepEqual([answer.name, answer.from, `${answer.port}`], ["strict", from, ports[0]]);
  }
  await using askingOpen = python(["ask", discoveryPort, "open", 0, ...pairs], B);
  for (const pair of pairs) assert.equal((await answerFor(askingOpen, pair)).name, "open");

  const options = { game, discoveryPort, timeoutMs: 30_000 };
  await using finder = runtime({ discover: options }, B);
  assert.equal(await finder.line("connected "), "strict 10.77.0.1");

  asking.process.kill("SIGKILL");
  const { stdout } = await withDeadline(asking.ended, DEADLINE_MS, "the end");
  for (const pair of refused) assert.ok(!stdout.includes(`${pair} `), `${pair}:\n${stdout}`);
});

test("A server is heard again on an interface that has gone and come back", async (t) => {
  using link = join();
  if (withoutPython || !link.isMade) return t.skip("no network namespaces");
  const { game, discoveryPort } = await newPlace();
  const given = { listen: {}, announce: { game, discoveryPort, name: "again" } };
  await using announcing = runtime(given, A);
  await announcing.line("announced ");
  // The second time, everything is as before but the number of the interface.
  for (let time = 0; time < 2; time++) {
    const pairs = ["10.77.0.2>239.255.36.38", "fe80::2%veth0>ff12::3638%veth0"];
    await using asking = python(["ask", discoveryPort, game, 0, ...pairs], B);
    for (const pair of pairs) assert.equal((await answerFor(asking, pair)).name, "again");
    if (time === 0) assert.ok(ip(`-n ${A} link delete veth0`) && connect());
  }
});

/** The program of this runtime, in a namespace. */
function runtime(given: object, namespace: string): Program {
  const [command, ...args] = runtimeCommand(currentRuntime(), "discovery.ts");
  return start(command, [...args, JSON.stringify(given)], namespace);
}
