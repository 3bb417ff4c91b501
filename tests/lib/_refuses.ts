/**
 * Values that the library must refuse, and checks that it does.
 *
 * @module
 */
import assert from "node:assert/strict";
import { ENetError, type ENetErrorCode } from "../../mod.ts";
import { withDeadline } from "../_helpers.ts";

export const U32 = 2 ** 32 - 1;
export const I32 = 2 ** 31 - 1;

/** An error class, or the code of an `ENetError`. */
export type Fault = typeof TypeError | typeof RangeError | ENetErrorCode;

/** Values that are no numbers, and how messages show them. */
export const NOT_NUMBERS: readonly (readonly [unknown, string])[] = [
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
export const not = (...types: readonly string[]) =>
  NOT_NUMBERS.filter(([value]) => !types.includes(typeof value));

/** Numbers that are no integers of any range. */
export const NEVER_INTEGERS = [NaN, Infinity, -Infinity, 0.5, 1.5, -1, 2 ** 53, -(2 ** 53), 1e300];

/** Fails unless a call throws, or rejects, with a fault whose message contains all of `says`. */
export async function refuses(
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
export async function refusesAllButIntegers(
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
export async function refusesUndefined(
  set: (value: never) => unknown,
  name: string,
): Promise<void> {
  await refuses(() => set(undefined as never), TypeError, name, "not undefined");
}

export const OBJECTS: readonly (readonly [unknown, string])[] = [
  ...not("object"),
  [null, "null"],
  [[], "an array of 0"],
];

export const INTEGER_OPTIONS = [
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

/** Those of a live host. */
export const SETTERS = INTEGER_OPTIONS.map(([name, low, high]) => [name, low, high] as const)
  .filter(([name]) => !["peers", "eventCapacity", "arenaSize"].includes(name));

export async function refusesBadFilters(set: (filter: unknown) => unknown): Promise<void> {
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
      const says = [`filter.${name}[1] must be an IP address or prefix`, `not ${shown}`];
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
export const LIMITS = [
  ["address", "connects", 1],
  ["address", "datagrams", 1],
  ["address", "bytes", 4096],
  ["peer", "messages", 1],
  ["peer", "bytes", 4096],
] as const;

export async function refusesBadLimits(set: (limits: unknown) => unknown): Promise<void> {
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
