/**
 * Calls: every type there and back, in every position, by name and by pointer.
 *
 * @module
 */
import assert from "node:assert/strict";
import process from "node:process";
import { after, test } from "node:test";
import { throughLibrary } from "../../ffi/_address.ts";
import { callSignature } from "../../ffi/_codec.ts";
import { checkedFunction } from "../../ffi/_function.ts";
import {
  call,
  define,
  dlclose,
  dlopen,
  dlsym,
  functionAt,
  type ParameterType,
  prepare,
  RTLD_DEFAULT,
  RTLD_GLOBAL,
  RTLD_NOW,
  type ScalarType,
  type Signature,
  sizeof,
  toString,
} from "../../ffi/mod.ts";
import { loadLibrary } from "../../ffi/loader.ts";
import { detectRuntime } from "../../ffi/runtime.ts";
import { SYMBOLS } from "../../ffi/symbols.ts";
import { fails, LIBRARY } from "./_ffi.ts";

const decoder = new TextDecoder();

const library = dlopen(LIBRARY, {
  round_i8: { parameters: ["i8"], result: "i8" },
  round_u8: { parameters: ["u8"], result: "u8" },
  round_i16: { parameters: ["i16"], result: "i16" },
  round_u16: { parameters: ["u16"], result: "u16" },
  round_i32: { parameters: ["i32"], result: "i32" },
  round_u32: { parameters: ["u32"], result: "u32" },
  round_i64: { parameters: ["i64"], result: "i64" },
  round_u64: { parameters: ["u64"], result: "u64" },
  round_size: { parameters: ["size_t"], result: "size_t" },
  round_f32: { parameters: ["float"], result: "float" },
  round_f64: { parameters: ["double"], result: "double" },
  round_bool: { parameters: ["bool"], result: "bool" },
  round_char: { parameters: ["char"], result: "char" },
  round_long: { parameters: ["long"], result: "long" },
  round_pointer: { parameters: ["pointer"], result: "pointer" },
  exact: { parameters: ["i53"], result: "i53", name: "round_i64" },
  exactUnsigned: { parameters: ["u53"], result: "u53", name: "round_u64" },
  size_of: { parameters: ["int"], result: "u53" },
  print_i64: { parameters: ["buffer", "size_t", "i64"], result: "int" },
  print_u64: { parameters: ["buffer", "size_t", "u64"], result: "int" },
  print_f32: { parameters: ["buffer", "size_t", "f32"], result: "int" },
  print_f64: { parameters: ["buffer", "size_t", "f64"], result: "int" },
  last_call: { parameters: [], result: "cstring" },
  echo_string: { parameters: ["cstring"], result: "cstring" },
  get_multiply: { parameters: [], result: "pointer" },
  sum_bytes: { parameters: ["buffer", "size_t"], result: "u32" },
});
const { symbols } = library;
after(() => library.close());

/** What a printing function writes. */
function printed(print: (out: Uint8Array, capacity: number) => number): string {
  const out = new Uint8Array(128);
  return decoder.decode(out.subarray(0, print(out, out.length)));
}

test("strdup, strlen, snprintf and getenv of libc return what they return in C", () => {
  process.env.ENETJS_FFI_TEST = "from the environment";
  using libc = dlopen(null, {
    strdup: { parameters: ["cstring"], result: "pointer" },
    free: { parameters: ["pointer"], result: "void" },
    strlen: { parameters: ["cstring"], result: "size_t" },
    getenv: { parameters: ["cstring"], result: "cstring" },
    snprintf: {
      parameters: ["buffer", "size_t", "cstring", "int", "cstring"],
      result: "int",
      variadic: true,
    },
  });
  const { strdup, free, strlen, getenv, snprintf } = libc.symbols;
  const copy = strdup("hello");
  assert.equal(toString(copy), "hello");
  assert.equal(toString(copy, 4), "hell");
  free(copy);
  assert.equal(strlen("hello"), 5n);
  assert.equal(strlen(""), 0n);
  const out = new Uint8Array(64);
  assert.equal(snprintf(out, out.length, "%d %s", -42, "and text"), 12);
  assert.equal(decoder.decode(out.subarray(0, 13)), "-42 and text\0");
  assert.equal(typeof getenv("PATH"), "string");
  assert.equal(getenv("ENETJS_NO_SUCH_VARIABLE"), null);
});

test("Integers come back exactly, to the ends of their ranges", () => {
  const table = [
    [symbols.round_i8, [-128, -1, 0, 127]],
    [symbols.round_u8, [0, 128, 255]],
    [symbols.round_i16, [-32768, -1, 32767]],
    [symbols.round_u16, [0, 32768, 65535]],
    [symbols.round_i32, [-(2 ** 31), -1, 2 ** 31 - 1]],
    [symbols.round_u32, [0, 2 ** 31, 2 ** 32 - 1]],
    [symbols.round_i64, [-(2n ** 63n), -(2n ** 53n) - 1n, -1n, 0n, 2n ** 53n + 1n, 2n ** 63n - 1n]],
    [symbols.round_u64, [0n, 2n ** 53n + 1n, 2n ** 63n, 2n ** 64n - 1n]],
    [symbols.round_size, [0n, 2n ** 64n - 1n]],
    [symbols.round_long, [-1n, 2n ** 31n - 1n]],
    [symbols.round_pointer, [0n, 1n, 2n ** 64n - 1n]],
    [symbols.round_char, [0, 65, 127]],
    [symbols.round_bool, [true, false]],
    [symbols.exact, [Number.MIN_SAFE_INTEGER, -1, 0, Number.MAX_SAFE_INTEGER]],
    [symbols.exactUnsigned, [0, Number.MAX_SAFE_INTEGER]],
  ] as const;
  for (const [round, values] of table) {
    // Long enough for the compiled call to be the one that is tested.
    for (let turn = 0; turn < 3000; turn++) {
      for (const value of values) {
        assert.equal((round as (value: unknown) => unknown)(value), value);
      }
    }
  }
});

test("C prints 2^63 - 1, -2^63 and 2^64 - 1 as they are, given as bigint or number", () => {
  for (const value of [2n ** 63n - 1n, -(2n ** 63n), -1n, 5, Number.MIN_SAFE_INTEGER]) {
    assert.equal(printed((out, size) => symbols.print_i64(out, size, value)), String(value));
  }
  for (const value of [2n ** 64n - 1n, 2n ** 63n, 0, Number.MAX_SAFE_INTEGER]) {
    assert.equal(printed((out, size) => symbols.print_u64(out, size, value)), String(value));
  }
});

test("Floating point comes back bit by bit, and prints as in C", () => {
  const doubles = [
    0,
    -0,
    0.1,
    -1.5,
    Math.PI,
    5e-324,
    1.7976931348623157e308,
    Infinity,
    -Infinity,
    NaN,
  ];
  for (const value of doubles) {
    assert.ok(Object.is(symbols.round_f64(value), value), `${value}`);
    assert.ok(Object.is(symbols.round_f32(value), Math.fround(value)), `${value}`);
    if (!Number.isFinite(value)) continue;
    assert.equal(Number(printed((out, size) => symbols.print_f64(out, size, value))), value);
    const single = printed((out, size) => symbols.print_f32(out, size, value));
    if (Number.isFinite(Math.fround(value))) {
      assert.equal(Math.fround(Number(single)), Math.fround(value));
    }
  }
});

test("-0 is 0 where integers are due", () => {
  assert.ok(Object.is(symbols.round_i32(-0), 0));
  assert.equal(symbols.round_u64(-0), 0n);
});

test("sizeof() has C's sizes", () => {
  const types = ["char", "short", "int", "long", "long long", "size_t", "float", "double", "bool"];
  [...types, "pointer"].forEach((type, index) => {
    assert.equal(sizeof(type as ScalarType), symbols.size_of(index), type);
  });
});

test("Strings go there and back as UTF-8", () => {
  for (const text of ["", "hello", "grüße, 世界 🎉", "x".repeat(4000)]) {
    assert.equal(symbols.echo_string(text), text);
  }
  for (let i = 0; i < 20_000; i++) assert.equal(symbols.echo_string(`${i}é`), `${i}é`);
});

test("Buffers of every kind are passed where they are", () => {
  const buffer = new ArrayBuffer(16);
  const bytes = new Uint8Array(buffer).map((_, index) => index);
  new Uint8Array(buffer).set(bytes);
  assert.equal(symbols.sum_bytes(buffer, 16), 120);
  assert.equal(symbols.sum_bytes(new DataView(buffer, 4, 4), 4), 5 + 6 + 7 + 8);
  assert.equal(symbols.sum_bytes(new Uint16Array(buffer, 14), 2), 15 + 16);
  const shared = new Uint8Array(new SharedArrayBuffer(4)).fill(3);
  assert.equal(symbols.sum_bytes(shared, 4), 12);
  assert.equal(symbols.sum_bytes(shared.buffer, 4), 16);
  assert.equal(symbols.sum_bytes(new Uint8Array(), 0), 0);
  const small = new Uint8Array(3).fill(1);
  symbols.sum_bytes(small, 3);
  assert.deepEqual([...small], [2, 2, 2]);
});

/** The types of the mixed functions in the order of `native/tests/ffi_library.c`, with values. */
const MIXED: readonly (readonly [ParameterType, readonly unknown[]])[] = [
  ["bool", [true, false]],
  ["i8", [-128, -1, 127]],
  ["u16", [65535, 1]],
  ["i32", [-(2 ** 31), 2 ** 31 - 1, -1]],
  ["i64", [-(2n ** 63n), 2n ** 63n - 1n]],
  ["u64", [2n ** 64n - 1n, 2n ** 53n + 1n]],
  ["f32", [-0.5, 1024.25]],
  ["f64", [0.1, -1e300]],
];

/** As the C library prints a value. */
function asPrinted(value: unknown): number | bigint {
  return typeof value === "bigint" ? value : Number(value);
}

/** Checks every function with every type in every position, as often as it is told. */
function checkMixed(
  functionOf: (name: string, types: ParameterType[]) => (...values: unknown[]) => unknown,
  turns: number,
): number {
  let checked = 0;
  for (let count = 0; count <= 12; count++) {
    for (let rotation = 0; rotation < (count === 0 ? 1 : 8); rotation++) {
      const kinds = Array.from({ length: count }, (_, index) => MIXED[(index + rotation) % 8]);
      const mixed = functionOf(`mixed_${count}_${rotation}`, kinds.map(([type]) => type));
      for (let turn = 0; turn < turns; turn++) {
        const values = kinds.map(([, values], index) => values[(turn + index) % values.length]);
        assert.equal(mixed(...values), count);
        const seen = symbols.last_call()!.split(" ").filter((word) => word !== "");
        const numbers = seen.map((word, index) =>
          typeof values[index] === "bigint" ? BigInt(word) : Number(word)
        );
        assert.deepEqual(numbers, values.map(asPrinted), `${count} from ${rotation}`);
        checked++;
      }
    }
  }
  return checked;
}

test("0 to 12 arguments arrive with every type in every position", () => {
  const checked = checkMixed((name, parameters) => {
    const { symbols } = dlopen(LIBRARY, { [name]: { parameters, result: "int" } });
    return symbols[name] as (...values: unknown[]) => unknown;
  }, 4);
  assert.equal(checked, 97 * 4);
});

test("The same through pointers", () => {
  const checked = checkMixed(
    (name, parameters) =>
      functionAt(dlsym(library, name), { parameters, result: "int" }) as (
        ...values: unknown[]
      ) => unknown,
    2,
  );
  assert.equal(checked, 97 * 2);
});

test("The same through libenetjs, which calls functions without a name for Node", async () => {
  const libenetjs = await loadLibrary();
  const checked = checkMixed((name, parameters) => {
    const signature: Signature = { parameters, result: "int" };
    const raw = throughLibrary(libenetjs, dlsym(library, name), callSignature(name, signature));
    return checkedFunction(name, signature, raw, { title: name, closed: false });
  }, 2);
  assert.equal(checked, 97 * 2);
});

test("The same where no code may be made from text", (t) => {
  const own = globalThis.Function;
  t.after(() => void (globalThis.Function = own));
  globalThis.Function = function () {
    throw new EvalError("Code generation from strings disallowed for this context");
  } as unknown as FunctionConstructor;
  const checked = checkMixed((name, parameters) => {
    const { symbols } = dlopen(LIBRARY, { [name]: { parameters, result: "int" } });
    fails("ENETJS_ERR_FFI_ARITY", () => symbols[name](...parameters as [], 0 as never));
    return symbols[name] as (...values: unknown[]) => unknown;
  }, 2);
  assert.equal(checked, 97 * 2);
  const one = dlopen(LIBRARY, { round_i8: { parameters: ["i8"], result: "i8" } });
  fails("ENETJS_ERR_FFI_RANGE", () => one.symbols.round_i8(128));
  one.close();
  fails("ENETJS_ERR_FFI_CLOSED", () => one.symbols.round_i8(1));
});

test("Variadic functions get their doubles, also when the call is compiled", async () => {
  await prepare();
  using variadic = dlopen(LIBRARY, {
    sum_variadic: {
      parameters: ["int", "double", "double", "double"],
      result: "double",
      variadic: true,
    },
  });
  for (let i = 0; i < 50_000; i++) {
    assert.equal(variadic.symbols.sum_variadic(3, i, 0.5, -0.25), i + 0.25);
  }
  using libc = dlopen(null, {
    print: {
      name: "snprintf",
      parameters: ["buffer", "size_t", "cstring", "double", "int", "double", "cstring"],
      result: "int",
      variadic: true,
    },
  });
  const text = printed((out, size) =>
    libc.symbols.print(out, size, "%.3f %d %g %s", 1 / 3, -7, 1e100, "end")
  );
  assert.equal(text, "0.333 -7 1e+100 end");
});

test("A function without a name is called by its pointer", async () => {
  await prepare();
  const multiply = functionAt(symbols.get_multiply(), {
    parameters: ["f64", "i32"],
    result: "f64",
  });
  for (let i = 0; i < 5000; i++) assert.equal(multiply(0.5, i), i / 2);
});

test("define() and call() name functions of the process and of libraries", () => {
  const strlen = define("strlen", dlsym(RTLD_DEFAULT, "strlen"), "size_t", "cstring");
  assert.equal(strlen("four"), 4n);
  assert.equal(call("strlen", "three"), 5n);
  const round = define("test.round", dlsym(library, "round_i64"), "i64", "i64");
  assert.equal(round(2n ** 62n), 2n ** 62n);
  assert.equal(define("test.round", dlsym(library, "round_i64"), "i64", "i64"), round);
});

test("One symbol may have several entries, with types of their own", () => {
  using both = dlopen(LIBRARY, {
    signed: { name: "round_i32", parameters: ["i32"], result: "i32" },
    unsigned: { name: "round_i32", parameters: ["u32"], result: "u32" },
  });
  assert.equal(both.symbols.signed(-1), -1);
  assert.equal(both.symbols.unsigned(2 ** 32 - 1), 2 ** 32 - 1);
});

test("A library opens with flags, several times, and closes by dlclose() too", () => {
  const first = dlopen(LIBRARY, { round_i8: { parameters: ["i8"], result: "i8" } });
  const second = dlopen(LIBRARY, { round_i8: { parameters: ["i8"], result: "i8" } }, {
    flags: RTLD_NOW | RTLD_GLOBAL,
  });
  dlclose(first);
  dlclose(first);
  assert.equal(first.closed, true);
  assert.equal(second.symbols.round_i8(-3), -3);
  second.close();
});

test("The library's own native functions are the runtime's, with nothing around them", async () => {
  const { native, path } = await loadLibrary();
  const { functions, close } = detectRuntime().open(path, {
    enetjs_peer_send: { parameters: SYMBOLS.enetjs_peer_send, result: "f64" },
  });
  assert.equal(native.enetjs_peer_send.name, functions.enetjs_peer_send.name);
  assert.equal(String(native.enetjs_peer_send), String(functions.enetjs_peer_send));
  close();
});
