import assert from "node:assert/strict";
import { test } from "node:test";
import { Host, Packet } from "../../mod.ts";
import { connectedPair, leakCheck } from "../_helpers.ts";
import {
  I32,
  LIMITS,
  not,
  NOT_NUMBERS,
  OBJECTS,
  refuses,
  refusesAllButIntegers,
  refusesBadFilters,
  refusesBadLimits,
  refusesUndefined,
  SETTERS,
  U32,
} from "./_refuses.ts";

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
    const says = ["address.hostname must be a host name or IP address", `not ${shown}`];
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
