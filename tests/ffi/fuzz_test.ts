/**
 * Random signatures with random values, right and wrong: either C gets exactly what was given, or a
 * named error is thrown. `ENETJS_SEED` chooses another sequence.
 *
 * @module
 */
import assert from "node:assert/strict";
import process from "node:process";
import { after, test } from "node:test";
import {
  array,
  callback,
  dlopen,
  FfiError,
  type Fields,
  type ScalarType,
  sizeof,
  struct,
} from "../../ffi/mod.ts";
import { LIBRARY } from "./_ffi.ts";

const SEED = Number(process.env.ENETJS_SEED ?? 20260);

/** A generator of numbers that the seed determines: mulberry32. */
function random(seed: number): (limit: number) => number {
  let state = seed >>> 0;
  return (limit) => {
    state = state + 0x6D2B79F5 >>> 0;
    let mixed = Math.imul(state ^ state >>> 15, state | 1);
    mixed ^= mixed + Math.imul(mixed ^ mixed >>> 7, mixed | 61);
    return Math.floor(((mixed ^ mixed >>> 14) >>> 0) / 2 ** 32 * limit);
  };
}

/** The integer types with their bits. */
const INTEGERS = {
  i8: -8,
  u8: 8,
  i16: -16,
  u16: 16,
  i32: -32,
  u32: 32,
  i64: -64,
  u64: 64,
} as const;
const FLOATS = ["f32", "f64"] as const;
type Name = keyof typeof INTEGERS | typeof FLOATS[number];
const NAMES = [...Object.keys(INTEGERS), ...FLOATS] as Name[];

/** Values of all kinds, most of them near the edge of something. */
function anything(next: (limit: number) => number): unknown {
  const edge = 2n ** BigInt([7, 8, 15, 16, 31, 32, 52, 53, 63, 64][next(10)]);
  const near = (next(2) === 0 ? edge : -edge) + BigInt(next(5) - 2);
  const odd = ["1", null, undefined, true, {}, [], NaN, Infinity, -0, 0.5, Symbol("x"), "", 5e-324];
  switch (next(4)) {
    case 0:
      return near;
    case 1:
      return Number(near);
    case 2:
      return next(2 ** 16) - 2 ** 15;
    default:
      return odd[next(odd.length)];
  }
}

/** What C would have of a value of this type, or undefined where that is not possible. */
function model(type: Name, value: unknown): number | bigint | undefined {
  if (type === "f64") return typeof value === "number" ? value : undefined;
  if (type === "f32") return typeof value === "number" ? Math.fround(value) : undefined;
  const bits = INTEGERS[type];
  const wide = Math.abs(bits) === 64;
  if (
    typeof value === "number" ? !Number.isSafeInteger(value) : !(wide && typeof value === "bigint")
  ) {
    return undefined;
  }
  const integer = BigInt(value as number | bigint);
  const wrapped = bits < 0 ? BigInt.asIntN(-bits, integer) : BigInt.asUintN(bits, integer);
  if (wrapped !== integer) return undefined;
  return wide ? integer : Number(integer);
}

const ROUND = Object.fromEntries(
  NAMES.map((name) => [`round_${name}`, { parameters: [name], result: name }] as const),
);
const CALL = Object.fromEntries(
  NAMES.map((name) =>
    [`call_${name}`, { parameters: ["function", name], result: name } as const] as const
  ),
);
const library = dlopen(LIBRARY, { ...ROUND, ...CALL });
after(() => library.close());

type Anything = (...values: unknown[]) => unknown;

/** The result, or the code of the FfiError that it threw. */
function attempt(action: () => unknown): { result: unknown } | { code: string } {
  try {
    return { result: action() };
  } catch (error) {
    assert.ok(error instanceof FfiError, String(error));
    return { code: error.code };
  }
}

const CODES = /^ENETJS_ERR_FFI_(VALUE|RANGE|NULL)$/;

test(`Values round-trip exactly or are refused by name (seed ${SEED})`, () => {
  const next = random(SEED);
  let accepted = 0;
  let refused = 0;
  for (let i = 0; i < 100_000; i++) {
    const type = NAMES[next(NAMES.length)];
    const value = anything(next);
    const expected = model(type, value);
    const round = library.symbols[`round_${type}`] as Anything;
    const outcome = attempt(() => round(value));
    if (expected === undefined) {
      assert.ok(
        "code" in outcome && CODES.test(outcome.code),
        `${type}: ${JSON.stringify(outcome)}`,
      );
      refused++;
    } else {
      const normal = type in INTEGERS && expected === 0 ? 0 : expected;
      assert.deepEqual(outcome, { result: normal }, `${type}, turn ${i}`);
      accepted++;
    }
  }
  assert.ok(accepted > 10_000 && refused > 10_000, `${accepted} and ${refused}`);
});

test(`Results of callbacks arrive exactly or are refused by name (seed ${SEED})`, () => {
  const next = random(SEED + 1);
  for (let i = 0; i < 5000; i++) {
    const type = NAMES[next(NAMES.length)];
    const value = anything(next);
    const expected = model(type, value);
    using answer = callback({ parameters: [type], result: type }, () => value as never);
    const outcome = attempt(() => (library.symbols[`call_${type}`] as Anything)(answer, 1));
    if (expected === undefined) assert.ok("code" in outcome && CODES.test(outcome.code), type);
    else assert.deepEqual(outcome, { result: type in INTEGERS && expected === 0 ? 0 : expected });
  }
});

test(`Structs of random fields hold what is written into them (seed ${SEED})`, () => {
  const next = random(SEED + 2);
  for (let i = 0; i < 2000; i++) {
    const fields: Record<string, Fields[string]> = {};
    const values: Record<string, unknown> = {};
    const expected: Record<string, unknown> = {};
    let end = 0;
    let alignment = 1;
    let possible = true;
    for (let field = 0; field <= next(12); field++) {
      const type = NAMES[next(NAMES.length)];
      const length = next(3);
      const name = `f${field}`;
      const list = Array.from(
        { length: Math.max(length, 1) },
        () => next(20) === 0 ? anything(next) : next(100),
      );
      const written = list.map((value) => model(type, value));
      possible &&= written.every((value) => value !== undefined);
      const size = sizeof(type as ScalarType);
      end = Math.ceil(end / size) * size;
      const clean = written.map((value) => type in INTEGERS && value === 0 ? 0 : value);
      fields[name] = length === 0 ? type : array(type, length);
      values[name] = length === 0 ? list[0] : list;
      expected[name] = length === 0 ? clean[0] : clean;
      const at = end;
      end += size * list.length;
      alignment = Math.max(alignment, size);
      const layout = struct(fields);
      assert.equal(layout.offsetof(name), at);
      assert.equal(layout.size, Math.ceil(end / alignment) * alignment);
    }
    const layout = struct(fields);
    const outcome = attempt(() => layout.read(layout.encode(values as never)));
    if (possible) assert.deepEqual(outcome, { result: expected });
    else assert.ok("code" in outcome && CODES.test(outcome.code), JSON.stringify(outcome));
  }
});

test(`Random tables open, or are refused by name (seed ${SEED})`, () => {
  const next = random(SEED + 3);
  const types: unknown[] = [
    ...NAMES,
    "bool",
    "pointer",
    "cstring",
    "buffer",
    "function",
    "void",
    "i33",
  ];
  types.push("", null, undefined, {}, 7, "constructor", struct({ a: "int" }));
  let opened = 0;
  for (let i = 0; i < 2000; i++) {
    const pick = () => types[next(types.length)];
    const parameters = Array.from({ length: next(5) }, pick);
    const name = next(4) === 0 ? "no_such_symbol" : "last_call";
    const signature = { name, parameters, result: pick() };
    const outcome = attempt(() => dlopen(LIBRARY, { entry: signature as never }).close());
    const known = (type: unknown) =>
      typeof type === "string" ? !["i33", "", "constructor"].includes(type) : type === types.at(-1);
    const valid = parameters.every((type) => known(type) && type !== "void") &&
      known(signature.result) && signature.result !== "buffer";
    if (!valid) assert.deepEqual(outcome, { code: "ENETJS_ERR_FFI_TYPE" });
    else if (name === "no_such_symbol") {
      assert.deepEqual(outcome, { code: "ENETJS_ERR_FFI_SYMBOL" });
    } else {
      assert.deepEqual(outcome, { result: undefined });
      opened++;
    }
  }
  assert.ok(opened > 50, `${opened}`);
});
