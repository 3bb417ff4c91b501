/**
 * What the library refuses, and what it says then: every argument, option and setting of every
 * public function. A message must carry the value at fault and name the argument.
 *
 * @module
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import process from "node:process";
import { test } from "node:test";
import { Host } from "../../mod.ts";
import { leakCheck } from "../_helpers.ts";
import {
  INTEGER_OPTIONS,
  not,
  NOT_NUMBERS,
  OBJECTS,
  refuses,
  refusesAllButIntegers,
  refusesBadFilters,
  refusesBadLimits,
} from "./_refuses.ts";

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
    const says = ["hostname must be a host name or IP address", `not ${shown}`];
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
