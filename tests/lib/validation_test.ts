/**
 * What the library refuses, and what it says then: every argument, option and setting of every
 * public function. A message must carry the value at fault and name the argument.
 *
 * @module
 */
import assert from "node:assert/strict";
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import {
  type BroadcastOptions,
  type Data,
  ENetError,
  type ENetErrorCode,
  type GroupSendOptions,
  Host,
  Packet,
  PacketFlag,
  type Peer,
  type Versions,
} from "../../mod.ts";
import {
  connectedPair,
  currentRuntime,
  leakCheck,
  type Pair,
  spawnRuntime,
  withDeadline,
} from "../_helpers.ts";

const U32 = 2 ** 32 - 1;
const I32 = 2 ** 31 - 1;

/** An error class, or the code of an `ENetError`. */
type Fault = typeof TypeError | typeof RangeError | ENetErrorCode;

/** Values that are no numbers, and how messages show them. */
const NOT_NUMBERS: readonly (readonly [unknown, string])[] = [
  [null, "null"],
  ["", '""'],
  ["7", '"7"'],
  [true, "true"],
  [7n, "7n"],
  [Symbol("seven"), "Symbol(seven)"],
  [{}, "an object (Object)"],
  [{ valueOf: () => 1 }, "an object (Object)"],
  [Object.create(null), "an object (no prototype)"],
  [new Date(0), "an object (Date)"],
  [[1], "an array of 1"],
  [() => 1, "a function"],
];

/** Those of them that suit wherever something else is wanted too. */
const not = (...types: readonly string[]) =>
  NOT_NUMBERS.filter(([value]) => !types.includes(typeof value));

/** Numbers that are no integers of any range. */
const NEVER_INTEGERS = [NaN, Infinity, -Infinity, 0.5, 1.5, -1, 2 ** 53, -(2 ** 53), 1e300];

/** Fails unless a call throws, or rejects, with a fault whose message contains all of `says`. */
async function refuses(
  call: () => unknown,
  fault: Fault,
  ...says: readonly string[]
): Promise<void> {
  let error: unknown;
  try {
    await withDeadline(Promise.resolve(call()), 10_000, "the refusal");
  } catch (thrown) {
    error = thrown;
  }
  assert.ok(error instanceof Error, `${call} was not refused; expected: ${says.join(", ")}`);
  if (typeof fault === "string") {
    assert.ok(error instanceof ENetError, String(error));
    assert.equal(error.name, "ENetError");
    assert.equal(error.code, fault, error.message);
  } else {
    assert.equal(error.constructor, fault, error.message);
  }
  for (const part of says) {
    assert.ok(error.message.includes(part), `"${error.message}" does not say "${part}"`);
  }
}

/** Everything that must be refused where an integer of a range is wanted. */
async function refusesAllButIntegers(
  set: (value: never) => unknown,
  name: string,
  low: number,
  high: number,
): Promise<void> {
  for (const [value, shown] of NOT_NUMBERS) {
    await refuses(() => set(value as never), TypeError, name, "must be a number", `not ${shown}`);
  }
  const range = `must be an integer from ${low} to ${high}`;
  for (const value of [...NEVER_INTEGERS, low - 1, high + 1]) {
    await refuses(() => set(value as never), RangeError, name, range, `not ${value}`);
  }
}

/** The same for options, which may be undefined, and arguments, which may not. */
async function refusesUndefined(set: (value: never) => unknown, name: string): Promise<void> {
  await refuses(() => set(undefined as never), TypeError, name, "not undefined");
}

const OBJECTS: readonly (readonly [unknown, string])[] = [
  ...not("object"),
  [null, "null"],
  [[], "an array of 0"],
];

// What a host is created with.

const INTEGER_OPTIONS = [
  ["peers", 1, 4095],
  ["channels", 1, 255],
  ["incomingBandwidth", 0, U32],
  ["outgoingBandwidth", 0, U32],
  ["mtu", 576, 4096],
  ["duplicatePeers", 1, 4095],
  ["maximumPacketSize", 1, I32],
  ["maximumWaitingData", 1, I32],
  ["maximumHostData", 0, U32],
  ["receiveBufferSize", 1024, I32],
  ["sendBufferSize", 1024, I32],
  ["stallLimitMs", 1, 60_000],
  ["turnBudgetMs", 1, 60_000],
  ["highWaterMark", 0, I32],
  ["eventCapacity", 16, 2 ** 20],
  ["arenaSize", 4096, 2 ** 28],
] as const;

/** Both ways to create a host. */
const CREATE = [
  [
    "listen",
    (options: unknown, handlers?: unknown) => Host.listen(options as never, handlers as never),
  ],
  [
    "create",
    (options: unknown, handlers?: unknown) => Host.create(options as never, handlers as never),
  ],
] as const;

for (const [way, create] of CREATE) {
  test(`Host.${way}() rejects when a number is of the wrong type or out of range`, async () => {
    for (const [name, low, high] of INTEGER_OPTIONS) {
      await refusesAllButIntegers((value) => create({ [name]: value }), name, low, high);
    }
    for (const name of ["eventCapacity", "arenaSize"]) {
      for (const value of [16_385, 24_576, 100_000]) {
        await refuses(
          () => create({ [name]: value }),
          RangeError,
          name,
          `power of two, not ${value}`,
        );
      }
    }
  });

  test(`Host.${way}() rejects when a switch is no boolean or a choice is none of the choices`, async () => {
    for (const name of ["pump", "datagrams"]) {
      for (const [value, shown] of [...not("boolean"), [0, "0"], [1, "1"]] as const) {
        await refuses(
          () => create({ [name]: value }),
          TypeError,
          name,
          "a boolean",
          `not ${shown}`,
        );
      }
    }
    for (
      const [name, choices] of [
        ["compression", '"none" or "range-coder"'],
        ["checksum", '"none" or "crc32"'],
        ["spin", '"never" or "auto" or "always"'],
        ["throttle", '"game" or "enet"'],
        ["remoteThrottle", '"unchanged" or "game"'],
      ]
    ) {
      for (const [value, shown] of [...NOT_NUMBERS, ["gzip", '"gzip"'], [NaN, "NaN"]] as const) {
        await refuses(() => create({ [name]: value }), TypeError, name, choices, `not ${shown}`);
      }
    }
  });

  test(`Host.${way}() rejects when options or handlers are no objects, unknown or no functions`, async () => {
    for (const [value, shown] of OBJECTS) {
      await refuses(() => create(value), TypeError, "options must be an object", `not ${shown}`);
      await refuses(
        () => create({}, value),
        TypeError,
        "handlers must be an object",
        `not ${shown}`,
      );
    }
    await refuses(() => create({ Peers: 1 }), TypeError, 'options has no option "Peers"', "peers");
    await refuses(() => create({ "": 1 }), TypeError, 'options has no option ""');
    await refuses(() => create({}, { recieve() {} }), TypeError, '"recieve"', "receive");
    for (const name of ["connect", "disconnect", "receive", "datagram", "error"]) {
      for (const [value, shown] of [...not("function"), [1, "1"]] as const) {
        const says = [`handlers.${name} must be a function`, `not ${shown}`];
        await refuses(() => create({}, { [name]: value }), TypeError, ...says);
      }
    }
  });

  test(`Host.${way}() rejects when the filter is malformed`, async () => {
    await refusesBadFilters((filter) => create({ filter }));
    await refuses(() => create({ filter: null }), TypeError, "filter must be an object, not null");
  });

  test(`Host.${way}() rejects when the limits are malformed`, async () => {
    await refusesBadLimits((limits) => create({ limits }));
    await refuses(() => create({ limits: null }), TypeError, "limits must be an object, not null");
  });

  test(`Host.${way}() takes every option at both ends of its range`, async (t) => {
    await leakCheck(t);
    for (const [name, low, high] of INTEGER_OPTIONS) {
      // The largest arena and the most peers are asked for elsewhere: they are only large.
      const most = name === "arenaSize" ? 2 ** 20 : high;
      for (const value of [low, most, undefined]) {
        await using host = await create({ [name]: value });
        assert.equal(host.closed, false);
      }
    }
  });
}

test("Host.listen() rejects when the port or the host name can't be one", async () => {
  await refusesAllButIntegers((port) => Host.listen({ port }), "port", 0, 65_535);
  for (const [value, shown] of [...not("string"), ["", '""'], [1, "1"]] as const) {
    const says = ["hostname must be a host name or IPv4 address", `not ${shown}`];
    await refuses(() => Host.listen({ hostname: value as string }), TypeError, ...says);
  }
  for (
    const hostname of ["256.0.0.1", "1.2.3", "1.2.3.4.5", "127.0.0.01", "1.2.3.", "2130706433"]
  ) {
    const says = `hostname "${hostname}" is not an IPv4 address`;
    await refuses(() => Host.listen({ hostname }), TypeError, says);
  }
});

test("Host.create() rejects when it is given an address to bind", async () => {
  for (const name of ["port", "hostname"]) {
    await refuses(() => Host.create({ [name]: 0 }), TypeError, `options has no option "${name}"`);
  }
});

test("A host refuses a maximumHostData that does not hold one connection, and says how much does", async (t) => {
  await leakCheck(t);
  const MIB = 2 ** 20;
  const says = (host: number, waiting: number, packet: number) => [
    `maximumHostData (${host})`,
    `maximumWaitingData (${waiting})`,
    `maximumPacketSize (${packet})`,
    `raise it to ${waiting + packet}`,
    "0 for the default",
  ];
  for (const [, create] of CREATE) {
    for (const maximumHostData of [1, 64 * MIB - 1]) {
      const expected = says(maximumHostData, 32 * MIB, 32 * MIB);
      await refuses(() => create({ maximumHostData }), RangeError, ...expected);
    }
    const small = { maximumHostData: 1000, maximumWaitingData: 600, maximumPacketSize: 401 };
    await refuses(() => create(small), RangeError, ...says(1000, 600, 401));
    await using host = await create({ ...small, maximumPacketSize: 400 });
    for (const name of ["maximumWaitingData", "maximumPacketSize"] as const) {
      const before = host[name];
      const expected = name === "maximumWaitingData" ? says(1000, 601, 400) : says(1000, 600, 601);
      await refuses(() => host[name] = 601, RangeError, ...expected);
      assert.equal(host[name], before);
    }
    await refuses(() => host.maximumHostData = 999, RangeError, ...says(999, 600, 400));
    assert.equal(host.maximumHostData, 1000);
    host.maximumHostData = 0;
    host.maximumWaitingData = 64 * MIB;
  }
});

test("Host.listen() rejects when the port is in use", async (t) => {
  await leakCheck(t);
  await using first = await Host.listen({ hostname: "127.0.0.1" });
  const { port } = first.address;
  await refuses(
    () => Host.listen({ hostname: "127.0.0.1", port }),
    "ENETJS_ERR_ADDRESS_IN_USE",
    `127.0.0.1:${port}`,
    "in use",
  );
});

test("Host.listen() rejects when the address is not of this machine", async (t) => {
  await leakCheck(t);
  await refuses(
    () => Host.listen({ hostname: "192.0.2.1" }), // reserved for documentation
    "ENETJS_ERR_ADDRESS_UNAVAILABLE",
    "192.0.2.1:0",
    "this machine",
  );
});

/** Whether this user may not bind every port. */
function keepsPorts(): boolean {
  if (process.platform !== "linux" || process.getuid?.() === 0) return false;
  return Number(readFileSync("/proc/sys/net/ipv4/ip_unprivileged_port_start", "utf8")) > 1;
}

test("Host.listen() rejects when the system keeps the port for others", {
  skip: keepsPorts() ? false : "every port is free for this user",
}, async () => {
  await refuses(
    () => Host.listen({ hostname: "127.0.0.1", port: 1 }),
    "ENETJS_ERR_PERMISSION",
    "127.0.0.1:1",
    "permit",
  );
});

test("Host.listen() and Host.connect() reject when a host name can't be resolved", async (t) => {
  await leakCheck(t);
  const hostname = "nonexistent.invalid";
  const says = [`"${hostname}"`, "could not be resolved"];
  await refuses(() => Host.listen({ hostname }), "ENETJS_ERR_RESOLVE", ...says);
  await using host = await Host.create();
  await refuses(() => host.connect({ hostname, port: 1 }), "ENETJS_ERR_RESOLVE", ...says);
  // What a resolver itself refuses is no other kind of error.
  for (const odd of ["a b", "host\0name", "-", "x".repeat(300)]) {
    await refuses(() => host.connect({ hostname: odd, port: 1 }), "ENETJS_ERR_RESOLVE", "resolved");
  }
});

// A live host.

const SETTERS = INTEGER_OPTIONS.map(([name, low, high]) => [name, low, high] as const)
  .filter(([name]) => !["peers", "eventCapacity", "arenaSize"].includes(name));

test("Host setters throw when a value is of the wrong type or out of range, and change nothing", async (t) => {
  await leakCheck(t);
  await using host = await Host.listen({ hostname: "127.0.0.1" });
  const settings = host as unknown as Record<string, unknown>;
  const set = (name: string) => (value: unknown) => void (settings[name] = value);
  for (const [name, low, high] of SETTERS) {
    const before = settings[name];
    await refusesAllButIntegers(set(name), name, low, high);
    await refusesUndefined(set(name), name);
    assert.equal(settings[name], before);
  }
  for (const [value, shown] of [...not("boolean"), [undefined, "undefined"], [1, "1"]] as const) {
    const says = ["datagrams must be a boolean", `not ${shown}`];
    await refuses(() => set("datagrams")(value), TypeError, ...says);
  }
  for (
    const [name, choices] of [
      ["compression", '"none" or "range-coder"'],
      ["checksum", '"none" or "crc32"'],
    ]
  ) {
    for (const [value, shown] of [...NOT_NUMBERS, [undefined, "undefined"]] as const) {
      await refuses(() => set(name)(value), TypeError, name, choices, `not ${shown}`);
    }
  }
  await refusesBadFilters((filter) => void (host.filter = filter as never));
  await refuses(() => host.filter = undefined as never, TypeError, "filter", "not undefined");
  assert.deepEqual(host.filter, { allow: [], deny: [], refuse: false });
  const { limits } = host;
  await refusesBadLimits((limits) => void (host.limits = limits as never));
  await refuses(() => host.limits = undefined as never, TypeError, "limits", "not undefined");
  assert.deepEqual(host.limits, limits);
  assert.deepEqual([host.compression, host.checksum, host.datagrams], ["none", "none", false]);
});

test("Host setters take both ends of their ranges", async () => {
  await using host = await Host.listen({ hostname: "127.0.0.1" });
  const settings = host as unknown as Record<string, unknown>;
  for (const [name, low, high] of SETTERS) {
    for (const value of [low, high]) {
      settings[name] = value;
      if (name === "maximumHostData" && value === 0) continue; // reads as what it stands for
      assert.equal(settings[name], value, name);
    }
  }
});

test("A filter takes 1,048,576 rules and no more", async (t) => {
  await leakCheck(t);
  await using host = await Host.listen({ hostname: "127.0.0.1" });
  const allow = new Array(2 ** 20).fill("10.0.0.1");
  host.filter = { allow };
  assert.equal(host.filter.allow?.length, 2 ** 20);
  const says = ["filter must have at most 1048576 rules", "not 1048577"];
  await refuses(() => host.filter = { allow, deny: ["10.0.0.2"] }, RangeError, ...says);
  assert.deepEqual(host.filter.deny, []);
});

async function refusesBadFilters(set: (filter: unknown) => unknown): Promise<void> {
  for (const [value, shown] of OBJECTS) {
    await refuses(() => set(value), TypeError, "filter must be an object", `not ${shown}`);
  }
  await refuses(() => set({ permit: [] }), TypeError, '"permit"', "allow, deny");
  for (const name of ["allow", "deny"]) {
    for (const [value, shown] of NOT_NUMBERS) {
      if (Array.isArray(value)) continue;
      const says = [`filter.${name} must be an array`, `not ${shown}`];
      await refuses(() => set({ [name]: value }), TypeError, ...says);
    }
    for (const [value, shown] of [...NOT_NUMBERS, [undefined, "undefined"], [1, "1"]] as const) {
      const says = [`filter.${name}[1] must be an IPv4 address or prefix`, `not ${shown}`];
      await refuses(() => set({ [name]: ["127.0.0.1", value] }), TypeError, ...says);
    }
    for (
      const rule of [
        ...["localhost", "127.0.0", "127.0.0.256", "127.0.0.1/33", "127.0.0.1/", "127.0.0.1/-1"],
        ...["127.0.0.1/8/8", "/8", "127.0.0.1/8.5", "127.0.0.1/1e1", " 127.0.0.1", "127.0.0.01"],
      ]
    ) {
      await refuses(() => set({ [name]: [rule] }), TypeError, `filter.${name}[0]`, `"${rule}"`);
    }
  }
}

/** Every limit, and the smallest burst that it takes. */
const LIMITS = [
  ["address", "connects", 1],
  ["address", "datagrams", 1],
  ["address", "bytes", 4096],
  ["peer", "messages", 1],
  ["peer", "bytes", 4096],
] as const;

async function refusesBadLimits(set: (limits: unknown) => unknown): Promise<void> {
  for (const [value, shown] of OBJECTS) {
    await refuses(() => set(value), TypeError, "limits must be an object", `not ${shown}`);
    for (const group of ["address", "peer"]) {
      const says = [`limits.${group} must be an object`, `not ${shown}`];
      await refuses(() => set({ [group]: value }), TypeError, ...says);
    }
  }
  await refuses(() => set({ peers: {} }), TypeError, '"peers"', "address, peer");
  await refuses(
    () => set({ address: { connectsPerSecond: 1 } }),
    TypeError,
    'limits.address has no option "connectsPerSecond"',
    "connects, datagrams, bytes",
  );
  await refuses(() => set({ peer: { message: {} } }), TypeError, "messages, bytes, excess");
  for (const excess of ["drop", "disconnect"]) {
    const says = [`limits.peer.excess "${excess}" needs a limit`, "limits.peer.messages", "a rate"];
    await refuses(() => set({ peer: { excess } }), TypeError, ...says);
  }
  for (const [value, shown] of [...NOT_NUMBERS, ["close", '"close"']] as const) {
    const says = ['limits.peer.excess must be "drop" or "disconnect"', `not ${shown}`];
    await refuses(() => set({ peer: { excess: value } }), TypeError, ...says);
  }
  for (const [group, name, least] of LIMITS) {
    const path = `limits.${group}.${name}`;
    const limit = (value: unknown) => set({ [group]: { [name]: value } });
    for (const [value, shown] of OBJECTS) {
      await refuses(() => limit(value), TypeError, `${path} must be an object`, `not ${shown}`);
    }
    await refuses(() => limit({ rate: 1 }), TypeError, '"rate"', "perSecond, burst");
    for (const given of [{}, { burst: 5000 }, { perSecond: undefined }]) {
      await refuses(() => limit(given), TypeError, `${path}.perSecond must be given`, "a second");
    }
    for (const [value, shown] of NOT_NUMBERS) {
      const says = [`${path}.perSecond must be a number`, `not ${shown}`];
      await refuses(() => limit({ perSecond: value }), TypeError, ...says);
    }
    for (const value of [0, -1, 0.009, 2 ** 32, NaN, -Infinity]) {
      const says = [`${path}.perSecond must be from`, "Infinity for no limit", `not ${value}`];
      await refuses(() => limit({ perSecond: value }), RangeError, ...says);
    }
    const burst = (value: unknown) => limit({ perSecond: 1, burst: value });
    await refusesAllButIntegers(burst, `${path}.burst`, least, U32);
  }
}

test("Limits take both ends of their ranges", async () => {
  await using host = await Host.listen({ hostname: "127.0.0.1" });
  for (const [group, name, least] of LIMITS) {
    for (const perSecond of [0.01, U32, Infinity]) {
      for (const burst of [least, U32]) {
        host.limits = { [group]: { [name]: { perSecond, burst } } };
        const { [name]: limit } = host.limits[group] as Record<string, unknown>;
        assert.deepEqual(limit, { perSecond, burst });
      }
    }
  }
});

test("Host.connect() rejects when the address is no address", async (t) => {
  await leakCheck(t);
  await using host = await Host.create();
  const connect = (address: unknown) => host.connect(address as never);
  for (const [value, shown] of [...OBJECTS, [undefined, "undefined"]] as const) {
    if (typeof value === "string") continue;
    await refuses(() => connect(value), TypeError, "address must be an object", `not ${shown}`);
  }
  await refuses(() => connect({ host: "a", port: 1 }), TypeError, '"host"', "hostname, port");
  for (const [value, shown] of [...not("string"), [undefined, "undefined"], ["", '""']] as const) {
    const says = ["address.hostname must be a host name or IPv4 address", `not ${shown}`];
    await refuses(() => connect({ hostname: value, port: 1 }), TypeError, ...says);
  }
  await refuses(() => connect({ hostname: "300.1.1.1", port: 1 }), TypeError, '"300.1.1.1"');
  const at = (port: unknown) => connect({ hostname: "127.0.0.1", port });
  await refusesAllButIntegers(at, "address.port", 1, 65_535);
  await refusesUndefined(at, "address.port");
});

test("Host.connect() rejects when an option is of the wrong type or out of range", async (t) => {
  await leakCheck(t);
  await using host = await Host.create();
  const connect = (options: unknown) =>
    host.connect({ hostname: "127.0.0.1", port: 9 }, options as never);
  for (const [value, shown] of OBJECTS) {
    await refuses(() => connect(value), TypeError, "options must be an object", `not ${shown}`);
  }
  await refuses(() => connect({ timeout: 1 }), TypeError, '"timeout"', "timeoutMs");
  for (
    const [name, low, high] of [
      ["channels", 1, 255],
      ["data", 0, U32],
      ["timeoutMs", 1, I32],
    ] as const
  ) {
    await refusesAllButIntegers((value) => connect({ [name]: value }), name, low, high);
  }
  for (const [value, shown] of [...NOT_NUMBERS, [1, "1"]] as const) {
    const says = ["signal must be an AbortSignal", `not ${shown}`];
    await refuses(() => connect({ signal: value }), TypeError, ...says);
  }
  await refuses(() => connect({ signal: new AbortController() }), TypeError, "AbortController");
  const retry = (value: unknown) => connect({ retry: value });
  for (const [value, shown] of OBJECTS) {
    await refuses(() => retry(value), TypeError, "retry must be an object", `not ${shown}`);
  }
  await refuses(() => retry({ minimum: 1 }), TypeError, '"minimum"', "minimumMs");
  for (const name of ["minimumMs", "maximumMs"]) {
    await refusesAllButIntegers(
      (value) => retry({ [name]: value }),
      `retry.${name}`,
      1,
      86_400_000,
    );
  }
  const crossed = { minimumMs: 2000, maximumMs: 1000 };
  await refuses(() => retry(crossed), RangeError, "retry.maximumMs", "2000", "1000");
  await refuses(() => retry({ jitter: "1" }), TypeError, "retry.jitter must be a number", '"1"');
  for (const value of [-0.1, 1.1, NaN]) {
    await refuses(() => retry({ jitter: value }), RangeError, "retry.jitter", `not ${value}`);
  }
  await refuses(
    () => retry({ when: true }),
    TypeError,
    "retry.when must be a function",
    "not true",
  );
  await refuses(() => host.sessions({ hostname: "a", port: 0 }), RangeError, "address.port");
  assert.deepEqual(host.peers, []);
});

test("Host.connect() rejects when every peer of the host is in use", async (t) => {
  await leakCheck(t);
  await using pair = await connectedPair({ client: { peers: 1 } });
  const { client, server } = pair;
  const { hostname, port } = server.address;
  await refuses(
    () => client.connect(server.address),
    "ENETJS_ERR_PEERS_EXHAUSTED",
    `${hostname}:${port}`,
    "this host's `peers` (1) are in use: raise `peers`",
  );
});

test("Host.service() and Host.close() refuse what is no number of milliseconds", async () => {
  await using host = await Host.create({ pump: false });
  await refusesAllButIntegers((ms) => host.service(ms), "timeoutMs", 0, I32);
  const close = (graceMs: never) => host.close({ graceMs });
  await refusesAllButIntegers(close, "graceMs", 0, I32);
  for (const [value, shown] of OBJECTS) {
    const says = ["options must be an object", `not ${shown}`];
    await refuses(() => host.close(value as never), TypeError, ...says);
  }
  await refuses(() => host.close({ grace: 1 } as never), TypeError, '"grace"', "graceMs");
  assert.equal(host.closed, false);
  assert.equal(host.service(), null);
});

// Data and flags.

const DETACHED = (() => {
  const bytes = new Uint8Array(new ArrayBuffer(8), 2, 4);
  const { buffer } = bytes;
  const view = new DataView(buffer, 2, 4);
  structuredClone(buffer, { transfer: [buffer] });
  return [buffer, bytes, view] as const;
})();

/** Everything that takes data must refuse what is none. */
async function refusesAllButData(send: (data: Data) => unknown): Promise<void> {
  const values = [...not("string"), [undefined, "undefined"], [0, "0"], [NaN, "NaN"]] as const;
  for (const [value, shown] of values) {
    const says = ["data must be a string, an ArrayBuffer", `not ${shown}`];
    await refuses(() => send(value as Data), TypeError, ...says);
  }
  const promise = Promise.resolve("x") as unknown as Data;
  await refuses(() => send(promise), TypeError, "an object (Promise)");
  await refuses(() => send(new Blob(["x"]) as unknown as Data), TypeError, "an object (Blob)");
  for (const data of DETACHED) await refuses(() => send(data), TypeError, "detached ArrayBuffer");
}

async function refusesBadFlags(send: (flags: PacketFlag) => unknown): Promise<void> {
  for (const [value, shown] of NOT_NUMBERS) {
    const says = ["flags must be PacketFlag bits", `not ${shown}`];
    await refuses(() => send(value as PacketFlag), TypeError, ...says);
  }
  // Reliable excludes the others; 4 (NO_ALLOCATE), 256 (SENT) and the rest are not the program's.
  for (const flags of [3, 4, 5, 9, 11, 16, 255, 256, -1, 1.5, NaN, Infinity, 2 ** 32 + 1]) {
    await refuses(
      () => send(flags as PacketFlag),
      RangeError,
      "flags must be",
      "RELIABLE (1)",
      `not ${flags}`,
    );
  }
}

async function withPair(t: Parameters<typeof leakCheck>[0], body: (pair: Pair) => Promise<void>) {
  await leakCheck(t);
  await using pair = await connectedPair({ client: { maximumPacketSize: 1000 } });
  await body(pair);
  // Nothing that was refused has gone out or done harm.
  pair.peer.send(0, "the only message");
  for await (const { packet } of pair.remote) {
    assert.equal(packet.text(), "the only message");
    break;
  }
}

test("Peer.send() and Peer.deliver() refuse bad data, flags, channels and sizes", async (t) => {
  await withPair(t, async ({ peer }) => {
    await refusesAllButData((data) => peer.send(0, data));
    await refusesAllButData((data) => peer.deliver(0, data));
    await refusesBadFlags((flags) => peer.send(0, "x", flags));
    const channel = "channelId of a connection with 2 channels";
    for (
      const send of [
        (channelId: number) => peer.send(channelId, "x"),
        (channelId: number) => peer.deliver(channelId, "x"),
      ]
    ) {
      await refusesAllButIntegers(send, channel, 0, 1);
      await refusesUndefined(send, channel);
      await refuses(() => send(255), RangeError, channel, "not 255");
    }
    for (
      const data of [
        "x".repeat(1001),
        "é".repeat(501),
        new Uint8Array(1001),
        Packet.from("é".repeat(501)),
      ]
    ) {
      const size = typeof data === "string" ? Packet.from(data).length : data.length;
      const says = [`data of ${size} bytes`, "maximumPacketSize, 1000"];
      await refuses(() => peer.send(0, data), RangeError, ...says);
      await refuses(() => peer.deliver(0, data), RangeError, ...says);
    }
    const large = new Uint8Array(100_000);
    await refuses(() => peer.send(0, large), RangeError, "data of 100000 bytes");
    await refuses(() => peer.send(0, "é".repeat(50_000)), RangeError, "data of 100000 bytes");
  });
});

test("Host.broadcast() and Group.send() throw when data, flags, channel or size are bad", async (t) => {
  await withPair(t, async ({ client, peer }) => {
    const [empty, full] = [client.group(), client.group()];
    assert.ok(full.add(peer));
    for (const sender of [client, empty, full]) {
      const send = (channelId: number, data: Data, flags?: PacketFlag) =>
        sender instanceof Host
          ? sender.broadcast(channelId, data, flags)
          : sender.send(channelId, data, flags);
      await refusesAllButData((data) => send(0, data));
      await refusesBadFlags((flags) => send(0, "x", flags));
      await refusesAllButIntegers((channelId: number) => send(channelId, "x"), "channelId", 0, 254);
      await refusesUndefined((channelId: number) => send(channelId, "x"), "channelId");
      await refuses(() => send(0, new Uint8Array(1001)), RangeError, "1001", "1000");
    }
  });
});

test("Groups and the options of broadcast() take peers of their host only", async (t) => {
  await withPair(t, async ({ client, peer, remote }) => {
    const group = client.group();
    const nothing = [undefined, null, 1, "peer", {}, []] as unknown as Peer[];
    for (const call of [group.add, group.delete, group.has]) {
      for (const peer of nothing) {
        await refuses(() => call.call(group, peer), TypeError, "peer must be a Peer, not ");
      }
      await refuses(() => call.call(group, remote), TypeError, "peer is a peer of another host");
    }
    assert.equal(group.size, 0);
    const broadcast = (options: unknown) =>
      client.broadcast(0, "x", PacketFlag.RELIABLE, options as BroadcastOptions);
    await refuses(() => broadcast(null), TypeError, "options must be an object, not null");
    await refuses(() => broadcast({ only: [] }), TypeError, 'no option "only"', "except, to");
    await refuses(() => broadcast({ to: { peer } }), TypeError, "to must be a Peer or", "(Object)");
    await refuses(() => broadcast({ to: "abc" }), TypeError, "to must be a Peer or", '"abc"');
    await refuses(() => broadcast({ to: [1] }), TypeError, "to[…] must be a Peer, not 1");
    await refuses(() => broadcast({ except: 1 }), TypeError, "except must be a Peer or", "not 1");
    for (
      const options of [{ to: [remote] }, { to: remote }, { except: [remote] }, { except: remote }]
    ) {
      await refuses(() => broadcast(options), TypeError, "is a peer of another host");
    }
    const send = (options: unknown) =>
      group.send(0, "x", PacketFlag.RELIABLE, options as GroupSendOptions);
    await refuses(() => send({ to: [] }), TypeError, 'no option "to"', "except");
    await refuses(() => send({ except: remote }), TypeError, "is a peer of another host");
  });
});

test("Host.sendDatagram() throws when address, data or size are bad", async (t) => {
  await leakCheck(t);
  await using host = await Host.create({ maximumPacketSize: 1 }); // which concerns no datagram
  const to = { hostname: "127.0.0.1", port: 9 };
  await refusesAllButData((data) => host.sendDatagram(to, data));
  const at = (port: number) => host.sendDatagram({ hostname: "127.0.0.1", port }, "x");
  await refusesAllButIntegers(at, "address.port", 1, 65_535);
  await refusesUndefined(at, "address.port");
  for (const [value, shown] of [...OBJECTS, [undefined, "undefined"]] as const) {
    if (typeof value === "string") continue;
    const says = ["address must be an object", `not ${shown}`];
    await refuses(() => host.sendDatagram(value as never, "x"), TypeError, ...says);
  }
  for (const hostname of ["localhost", "nonexistent.invalid"]) {
    const says = ["must be an IPv4 address here", `"${hostname}"`, "resolve"];
    await refuses(() => host.sendDatagram({ hostname, port: 9 }, "x"), TypeError, ...says);
  }
  for (const data of [new Uint8Array(65_508), "x".repeat(65_508), new ArrayBuffer(10 ** 6)]) {
    const size = Packet.from(data).length;
    const says = [`data of ${size} bytes`, "65507"];
    await refuses(() => host.sendDatagram(to, data), RangeError, ...says);
  }
});

test("Packet.from() throws when the data can't be sent", async () => {
  await refusesAllButData((data) => Packet.from(data));
});

// A peer.

test("Peer methods refuse values of the wrong type or out of range", async (t) => {
  await withPair(t, async ({ peer }) => {
    for (const end of ["disconnect", "disconnectLater", "disconnectNow"] as const) {
      await refusesAllButIntegers((data) => peer[end](data), "data", 0, U32);
    }
    await refusesAllButIntegers((ms) => peer.pingInterval(ms), "intervalMs", 0, U32);
    await refusesUndefined((ms) => peer.pingInterval(ms), "intervalMs");
    for (const [value, shown] of [...OBJECTS, [undefined, "undefined"]] as const) {
      const timeouts = ["timeouts must be an object", `not ${shown}`];
      await refuses(() => peer.timeout(value as never), TypeError, ...timeouts);
      const throttle = ["throttle must be an object", `not ${shown}`];
      await refuses(() => peer.throttle(value as never), TypeError, ...throttle);
    }
    await refuses(() => peer.timeout({ maximum: 1 } as never), TypeError, '"maximum"', "maximumMs");
    await refuses(() => peer.throttle({ speed: 1 } as never), TypeError, '"speed"', "intervalMs");
    for (const name of ["limit", "minimumMs", "maximumMs"]) {
      await refusesAllButIntegers((value) => peer.timeout({ [name]: value }), name, 0, U32);
    }
    for (
      const [name, high] of [
        ["intervalMs", U32],
        ["acceleration", 32],
        ["deceleration", 32],
      ] as const
    ) {
      await refusesAllButIntegers((value) => peer.throttle({ [name]: value }), name, 0, high);
    }
    assert.equal(peer.state, "connected");
    const { pingIntervalMs, timeoutLimit, packetThrottleAcceleration } = peer.stats;
    assert.deepEqual([pingIntervalMs, timeoutLimit, packetThrottleAcceleration], [500, 32, 2]);
  });
});

test("What changes or waits for a closed host or its peers fails with ENETJS_ERR_CLOSED", async (t) => {
  await leakCheck(t);
  await using pair = await connectedPair();
  const { client, peer } = pair;
  await client.close();
  const settings = client as unknown as Record<string, unknown>;
  const calls: (() => unknown)[] = [
    () => client.connect({ hostname: "127.0.0.1", port: 9 }),
    () => client.filter = {},
    ...SETTERS.map(([name, low]) => () => settings[name] = low),
    () => client.compression = "range-coder",
    () => client.checksum = "crc32",
    () => client.datagrams = true,
    () => peer.deliver(0, "x"),
    () => peer.drain(),
  ];
  for (const call of calls) await refuses(call, "ENETJS_ERR_CLOSED", "the host is closed");
});

// The native library.

/** What a program that loads the library prints: the versions, or the error. */
type Loaded = Versions & Pick<ENetError, "name" | "code" | "message">;

async function load(library: string, module?: string): Promise<Loaded> {
  await using program = spawnRuntime(currentRuntime(), "load.ts", module ? [module] : [], {
    env: { ENETJS_LIBRARY: library },
  });
  const { code, stdout, stderr } = await withDeadline(program.ended, 30_000, "the program");
  assert.equal(code, 0, stderr);
  return JSON.parse(stdout);
}

/** The path of a file in this checkout. */
const checkout = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url));

const SUFFIX = process.platform === "darwin" ? "dylib" : "so";

test("Loading rejects with ENETJS_ERR_LIBRARY when ENETJS_LIBRARY names no file", async () => {
  const { name, code, message } = await load("/nonexistent/libenetjs.so");
  assert.deepEqual([name, code], ["ENetError", "ENETJS_ERR_LIBRARY"]);
  assert.match(message, /could not be loaded/);
  assert.match(message, /- ENETJS_LIBRARY=\/nonexistent\/libenetjs\.so: missing, or .+/);
  assert.match(message, /^Remedy: unset ENETJS_LIBRARY$/m);
  assert.doesNotMatch(message, /npm package/, "what was chosen is not replaced");
});

test("Loading rejects with ENETJS_ERR_LIBRARY when ENETJS_LIBRARY is a text file", async () => {
  const path = checkout("deno.json");
  const { code, message } = await load(path);
  assert.equal(code, "ENETJS_ERR_LIBRARY");
  assert.ok(message.includes(`ENETJS_LIBRARY=${path}: `), message);
});

test("Loading rejects with ENETJS_ERR_LIBRARY when a library is not ours", {
  skip: process.platform !== "linux",
}, async () => {
  const { code, message } = await load("libc.so.6");
  assert.equal(code, "ENETJS_ERR_LIBRARY");
  assert.match(message, /enetjs_abi_version/);
});

test("Loading rejects with ENETJS_ERR_ABI when the library has another version", {
  skip: process.platform === "win32",
}, async () => {
  const path = checkout(`native/build/libwrong_abi.${SUFFIX}`);
  const { name, code, message } = await load(path);
  assert.deepEqual([name, code], ["ENetError", "ENETJS_ERR_ABI"]);
  assert.ok(message.includes(path), message);
  assert.match(message, /ABI version 999\b/);
  assert.match(message, /needs \d+\n/);
  assert.match(message, /^Remedy: unset ENETJS_LIBRARY$/m);
});

test("Loading lists every place and the remedy when there is no library anywhere", async () => {
  const folder = mkdtempSync(join(tmpdir(), "enetjs-"));
  try {
    for (const part of ["mod.ts", "lib", "ffi"]) {
      cpSync(checkout(part), join(folder, part), { recursive: true });
    }
    writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
    const { code, message } = await load("", pathToFileURL(join(folder, "mod.ts")).href);
    assert.equal(code, "ENETJS_ERR_LIBRARY");
    assert.match(
      message,
      /Looked at:\n {2}- .*native.build.*: .+\n {2}- npm package @enetjs\/.+: .+\n/,
    );
    assert.ok(message.includes(folder), message);
    assert.match(message, /^Remedy: npx -y deno task build$/m);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("Loading takes the library that ENETJS_LIBRARY names", {
  skip: process.platform === "win32",
}, async () => {
  const path = checkout(`native/build/libenetjs.${SUFFIX}`);
  assert.ok(existsSync(path));
  const { library, runtime, libenet } = await load(path);
  assert.deepEqual([library, runtime], [path, currentRuntime()]);
  assert.match(libenet, /^1\.3\.\d+$/);
});

test("What is easily mistaken is told with the way to write it", async (t) => {
  await leakCheck(t);
  const receive = () => {};
  await refuses(
    () => Host.listen({ receive } as never),
    TypeError,
    "handlers are the second argument",
    "Host.listen({}, { receive() {} })",
  );
  for (const [option, value] of Object.entries({ port: 1, hostname: "a", accept: () => true })) {
    const given = { [option]: value } as never;
    await refuses(() => Host.create(given), TypeError, `no option "${option}"`, "use Host.listen");
  }
  await using pair = await connectedPair();
  const { client, peer } = pair;
  const address = ["address must be an object { hostname, port }", "not undefined"];
  await refuses(() => client.connect(undefined as never), TypeError, ...address);
  await refuses(() => client.sessions(undefined as never), TypeError, ...address);
  const loose = peer as unknown as { send(...given: unknown[]): boolean };
  await refuses(() => loose.send("hello"), TypeError, "send(0, data)", '"hello"');
  await refuses(() => loose.send(0, "a", "reliable"), TypeError, "PacketFlag.RELIABLE");
  await refuses(() => loose.send(0, "a", "unsequenced"), TypeError, "PacketFlag.UNSEQUENCED");
  await refuses(() => loose.send(0, "a", 3), RangeError, "UNSEQUENCED_FRAGMENT (10)");
  const first = peer.receive();
  first.catch(() => {});
  await refuses(() => peer.receive(), TypeError, "await one before the next");
  for (const [Class, made] of [[Host, "Host.listen"], [Packet, "Packet.from"]] as const) {
    const construct = Class as unknown as { new (): unknown };
    await refuses(() => new construct(), TypeError, made);
  }
});
