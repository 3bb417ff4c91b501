/**
 * The bad-input table: every mistake has a named error, and none ends the process.
 *
 * @module
 */
import assert from "node:assert/strict";
import process from "node:process";
import { after, test } from "node:test";
import {
  call,
  callback,
  define,
  dlclose,
  dlerror,
  dlopen,
  dlsym,
  type FfiErrorCode,
  functionAt,
  RTLD_DEFAULT,
  struct,
} from "../../ffi/mod.ts";
import { fails, LIBRARY } from "./_ffi.ts";
import { currentRuntime } from "../_helpers.ts";

const Pair = struct({ a: "int", b: "int" });
const detached = new ArrayBuffer(8);
detached.transfer();

using closed = callback({ parameters: [], result: "void" }, () => {});
closed.close();

/** A name for each, because each gets a function of its own. */
const TYPES = {
  i8: "round_i8",
  u8: "round_u8",
  i16: "round_i16",
  u16: "round_u16",
  int: "round_i32",
  u32: "round_u32",
  "long long": "round_i64",
  u64: "round_u64",
  size_t: "round_size",
  i53: "round_i64",
  u53: "round_u64",
  float: "round_f32",
  double: "round_f64",
  bool: "round_bool",
  pointer: "round_pointer",
  function: "round_pointer",
} as const;

const scalars = dlopen(
  LIBRARY,
  Object.fromEntries(
    Object.entries(TYPES).map(([type, name]) => {
      return [type, { name, parameters: [type as "i8"], result: type as "i8" }] as const;
    }),
  ),
);
const others = dlopen(null, {
  cstring: { name: "strlen", parameters: ["cstring"], result: "size_t" },
  buffer: { name: "strnlen", parameters: ["buffer", "size_t"], result: "size_t" },
  struct: { name: "strnlen", parameters: [Pair, "size_t"], result: "size_t" },
});
after(() => {
  scalars.close();
  others.close();
});

const VALUE: FfiErrorCode = "ENETJS_ERR_FFI_VALUE";
const RANGE: FfiErrorCode = "ENETJS_ERR_FFI_RANGE";
const NULL_: FfiErrorCode = "ENETJS_ERR_FFI_NULL";

const none = [null, undefined];
const noNumbers: readonly unknown[] = [
  "1",
  "",
  {},
  [],
  true,
  1n,
  () => 1,
  Symbol("one"),
  { valueOf: () => 1 },
  ...none,
];
const noIntegers = [1.5, NaN, Infinity, -Infinity, 2 ** 53, -(2 ** 53), 1e300];
const noPointers = [1, 0, "0", {}, [], true, new Uint8Array(8), Symbol("one"), () => 1];

/** Type, error, values. */
const BAD: readonly (readonly [string, FfiErrorCode, readonly unknown[]])[] = [
  ["i8", VALUE, noNumbers],
  ["i8", RANGE, [...noIntegers, -129, 128]],
  ["u8", VALUE, noNumbers],
  ["u8", RANGE, [...noIntegers, -1, 256]],
  ["i16", RANGE, [...noIntegers, -32769, 32768]],
  ["u16", RANGE, [...noIntegers, -1, 65536]],
  ["int", VALUE, noNumbers],
  ["int", RANGE, [...noIntegers, -(2 ** 31) - 1, 2 ** 31]],
  ["u32", RANGE, [...noIntegers, -1, 2 ** 32]],
  ["long long", VALUE, noNumbers.filter((value) => typeof value !== "bigint")],
  ["long long", RANGE, [...noIntegers, 2n ** 63n, -(2n ** 63n) - 1n, 2n ** 200n]],
  ["u64", RANGE, [...noIntegers, -1, -1n, 2n ** 64n]],
  ["size_t", RANGE, [-1, 0.5, 2n ** 64n]],
  ["i53", VALUE, noNumbers],
  ["i53", RANGE, noIntegers],
  ["u53", RANGE, [...noIntegers, -1]],
  ["float", VALUE, noNumbers],
  ["double", VALUE, noNumbers],
  ["bool", VALUE, [0, 1, "true", {}, 1n, ...none]],
  ["pointer", VALUE, noPointers],
  ["pointer", NULL_, none],
  ["pointer", RANGE, [-1n, 2n ** 64n]],
  ["function", VALUE, noPointers],
  ["function", NULL_, none],
  ["function", RANGE, [-1n, 2n ** 64n]],
  ["function", "ENETJS_ERR_FFI_CLOSED", [closed]],
  ["cstring", VALUE, [1, {}, [], true, 1n, new Uint8Array(8), "a\0b", "\0"]],
  ["cstring", NULL_, none],
  ["buffer", VALUE, [1, "text", {}, [1, 2], 1n, true, detached, { buffer: new ArrayBuffer(8) }]],
  ["buffer", NULL_, none],
  ["struct", VALUE, [1, "text", {}, { a: 1, b: 2 }, 1n, detached]],
  ["struct", NULL_, none],
  ["struct", RANGE, [new Uint8Array(), new Uint8Array(7), new ArrayBuffer(1)]],
];

test("Every bad value has its named error, which carries the value", () => {
  let checked = 0;
  for (const [type, code, values] of BAD) {
    const isScalar = type in TYPES;
    const target = (isScalar ? scalars.symbols[type] : others.symbols[type as "buffer"]) as (
      ...values: unknown[]
    ) => unknown;
    const rest = isScalar || type === "cstring" ? [] : [0];
    for (const value of values) {
      const what = `${type} of ${typeof value === "symbol" ? "a symbol" : String(value)}`;
      const error = fails(code, () => target(value, ...rest), what);
      if (code !== "ENETJS_ERR_FFI_CLOSED") assert.ok(Object.is(error.value, value), what);
      if (code === RANGE || code === VALUE) assert.match(error.message, /argument 1: /);
      checked++;
    }
  }
  assert.ok(checked > 200, `${checked}`);
});

test("Bad values are refused by compiled calls too", () => {
  const { int, u64 } = scalars.symbols as unknown as Record<string, (value: unknown) => unknown>;
  for (let i = 0; i < 100_000; i++) {
    assert.equal(int(i), i);
    u64(BigInt(i));
  }
  for (const value of [2 ** 31, 1.5, NaN]) fails(RANGE, () => int(value));
  for (const value of ["5", undefined, {}, 5n]) fails(VALUE, () => int(value));
  for (const value of [-1n, 2n ** 64n, -1]) fails(RANGE, () => u64(value));
});

test("Too few and too many arguments are refused", () => {
  const counts = [[], [1, 2], [1, 2, 3], [undefined, undefined]];
  const { int } = scalars.symbols as unknown as Record<string, (...values: unknown[]) => unknown>;
  for (const values of counts) {
    const error = fails("ENETJS_ERR_FFI_ARITY", () => int(...values));
    assert.equal(error.value, values.length);
    assert.match(error.message, /^int\(\) takes 1 arguments, not \d$/);
  }
});

test("Unknown types are refused where they are given", () => {
  const bad = [
    "int33",
    "",
    "I32",
    "toString",
    "__proto__",
    "u128",
    5,
    null,
    undefined,
    {},
    [],
    Symbol(),
  ];
  for (const type of bad) {
    const parameter = type as "i8";
    const parameters = [parameter];
    const label = String(type);
    fails("ENETJS_ERR_FFI_TYPE", () => dlopen(null, { abs: { parameters, result: "int" } }), label);
    const result = parameter;
    fails("ENETJS_ERR_FFI_TYPE", () => dlopen(null, { abs: { parameters: [], result } }), label);
    const pointer = dlsym(RTLD_DEFAULT, "abs");
    fails("ENETJS_ERR_FFI_TYPE", () => define(`bad ${label}`, pointer, result), label);
    const signature = { parameters, result: "int" } as const;
    fails("ENETJS_ERR_FFI_TYPE", () => functionAt(pointer, signature), label);
  }
  const misplaced = [
    { parameters: ["void"], result: "int" },
    { parameters: ["int"], result: "buffer" },
    { parameters: ["float"], result: "int", variadic: true },
    { parameters: "int", result: "int" },
    { result: "int" },
    undefined,
    null,
    5,
  ];
  for (const abs of misplaced) {
    const table = { abs } as unknown as Record<never, never>;
    fails("ENETJS_ERR_FFI_TYPE", () => dlopen(null, table), JSON.stringify(abs));
  }
  fails("ENETJS_ERR_FFI_TYPE", () => dlopen(null, null as unknown as Record<never, never>));
});

test("A symbol that is not there is named with its library", () => {
  const table = {
    round_i8: { parameters: ["i8"], result: "i8" },
    round_nothing: { parameters: [], result: "void" },
  } as const;
  const error = fails("ENETJS_ERR_FFI_SYMBOL", () => dlopen(LIBRARY, table));
  assert.equal(error.message, `${LIBRARY} has no symbol "round_nothing"`);
  assert.equal(error.value, "round_nothing");
  assert.equal(dlerror(), error.message);
  assert.equal(dlerror(), null);
  using library = dlopen(LIBRARY);
  fails("ENETJS_ERR_FFI_SYMBOL", () => dlsym(library, "round_nothing"));
  fails("ENETJS_ERR_FFI_SYMBOL", () => dlsym(library, ""));
  fails("ENETJS_ERR_FFI_SYMBOL", () => dlsym(RTLD_DEFAULT, "enetjs_no_such_symbol"));
  fails("ENETJS_ERR_FFI_SYMBOL", () => dlopen(null, { enetjs_no_such: table.round_nothing }));
  fails("ENETJS_ERR_FFI_VALUE", () => dlsym(library, "a\0b"));
  fails("ENETJS_ERR_FFI_VALUE", () => dlsym(library, 5 as unknown as string));
  fails("ENETJS_ERR_FFI_VALUE", () => dlsym({} as typeof library, "round_i8"));
  fails("ENETJS_ERR_FFI_VALUE", () => dlclose({} as typeof library));
});

test("More parameters than a runtime can pass are refused by name", () => {
  const parameters = Array.from({ length: 64 }, () => "f64" as const);
  const abs = { parameters, result: "int" } as const;
  for (const path of [null, "libc.so.6"]) {
    if (path !== null && process.platform !== "linux") continue;
    const open = () => dlopen(path, { abs }).close();
    if (currentRuntime() === "bun") fails("ENETJS_ERR_FFI_UNSUPPORTED", open);
    else open();
  }
});

test("A library that is not there, or is none, is named", () => {
  const table = { anything: { parameters: [], result: "void" } } as const;
  const text = new URL(import.meta.url).pathname;
  for (const path of ["/no/such/library.so", "libenetjs_no_such.so.9", text]) {
    for (const symbols of [table, {}]) {
      const error = fails("ENETJS_ERR_FFI_LIBRARY", () => dlopen(path, symbols), path);
      assert.ok(error.message.includes(path), error.message);
      assert.equal(error.value, path);
      assert.equal(dlerror(), error.message);
    }
  }
  for (const path of ["", 5, undefined, {}, true]) {
    fails("ENETJS_ERR_FFI_VALUE", () => dlopen(path as string, table), String(path));
  }
  fails("ENETJS_ERR_FFI_VALUE", () => dlopen("a\0b", {}));
  for (const flags of [2 ** 31, 0.5]) {
    fails("ENETJS_ERR_FFI_RANGE", () => dlopen(LIBRARY, {}, { flags }));
  }
});

test("A name is not defined twice for different things", () => {
  using library = dlopen(LIBRARY);
  const pointer = dlsym(library, "round_i32");
  const first = define("test.once", pointer, "i32", "i32");
  assert.equal(define("test.once", pointer, "i32", "i32"), first);
  const again = [
    () => define("test.once", pointer, "u32", "i32"),
    () => define("test.once", pointer, "i32", "u32"),
    () => define("test.once", pointer, "i32", "i32", "i32"),
    () => define("test.once", pointer, "i32"),
    () => define("test.once", dlsym(library, "round_i64"), "i32", "i32"),
  ];
  for (const define of again) fails("ENETJS_ERR_FFI_REDEFINED", define);
  assert.equal(call("test.once", -5), -5);
  fails("ENETJS_ERR_FFI_UNDEFINED", () => call("test.never"));
  fails("ENETJS_ERR_FFI_UNDEFINED", () => call("__proto__"));
  fails("ENETJS_ERR_FFI_ARITY", () => call("test.once"));
  fails("ENETJS_ERR_FFI_VALUE", () => define(5 as unknown as string, pointer, "i32", "i32"));
  fails("ENETJS_ERR_FFI_NULL", () => define("test.null", 0n, "i32", "i32"));
  fails("ENETJS_ERR_FFI_NULL", () => functionAt(0n, { parameters: [], result: "void" }));
  library.close();
  fails("ENETJS_ERR_FFI_CLOSED", () => call("test.once", 1));
  using other = dlopen(LIBRARY);
  define("test.once", dlsym(other, "round_i64"), "i64", "i64");
  assert.equal(call("test.once", 2n ** 62n), 2n ** 62n);
});

test("Everything of a closed library throws, however it was had", () => {
  const library = dlopen(LIBRARY, { round_i8: { parameters: ["i8"], result: "i8" } });
  const { round_i8 } = library.symbols;
  const pointer = dlsym(library, "round_i16");
  const signature = { parameters: ["i16"], result: "i16" } as const;
  const round_i16 = functionAt(pointer, signature);
  for (let i = 0; i < 20_000; i++) assert.equal(round_i8(5) + round_i16(6), 11);
  library.close();
  library.close();
  assert.equal(library.closed, true);
  fails("ENETJS_ERR_FFI_CLOSED", () => round_i8(5));
  fails("ENETJS_ERR_FFI_CLOSED", () => library.symbols.round_i8(5));
  fails("ENETJS_ERR_FFI_CLOSED", () => round_i16(5));
  fails("ENETJS_ERR_FFI_CLOSED", () => functionAt(pointer, signature));
  const error = fails("ENETJS_ERR_FFI_CLOSED", () => dlsym(library, "round_i8"));
  assert.ok(error.message.includes(LIBRARY), error.message);
  using again = dlopen(LIBRARY);
  assert.equal(functionAt(dlsym(again, "round_i16"), signature)(7), 7);
  fails("ENETJS_ERR_FFI_CLOSED", () => round_i16(5));
});

test("What is easily mistaken is told with the way to write it", () => {
  const message = (make: () => unknown): string => {
    try {
      make();
    } catch (error) {
      return (error as Error).message;
    }
    throw new Error("nothing was thrown");
  };
  const table = (signature: unknown) => message(() => dlopen(null, { strlen: signature } as never));
  assert.match(table({ args: ["cstring"], returns: "size_t" }), /"parameters" in place of "args"/);
  for (const [wrong, right] of [["integer", "int"], ["usize", "size_t"], ["pointr", "pointer"]]) {
    const says = table({ parameters: [wrong], result: "int" });
    assert.ok(says.includes(`did you mean "${right}"?`), says);
  }
  using libc = dlopen(null, {
    qsort: { parameters: ["buffer", "size_t", "size_t", "function"], result: "void" },
  });
  const compare = (() => 0) as never;
  assert.match(
    message(() => libc.symbols.qsort(new Uint8Array(4), 4, 1, compare)),
    /callback\(signature, fn\)/,
  );
});
