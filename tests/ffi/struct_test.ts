/**
 * Structs: laid out, read and written as C does.
 *
 * @module
 */
import assert from "node:assert/strict";
import process from "node:process";
import { after, test } from "node:test";
import {
  alloc,
  array,
  dlopen,
  type FieldType,
  free,
  offsetof,
  sizeof,
  struct,
  toPointer,
  toString,
} from "../../ffi/mod.ts";
import { fails, LIBRARY } from "./_ffi.ts";

const Inner = struct({ tag: "i8", weight: "f64", codes: array("u16", 3) });
const Outer = struct({
  flag: "bool",
  big: "i64",
  one: Inner,
  letter: "char",
  many: array(Inner, 2),
  ratio: "float",
  self: "pointer",
  last: "u8",
});

const library = dlopen(LIBRARY, {
  print_outer: { parameters: ["buffer", "size_t", Outer], result: "int" },
  print_at: { name: "print_outer", parameters: ["buffer", "size_t", "pointer"], result: "int" },
  fill_outer: { parameters: [Outer], result: "void" },
  outer_layout: { parameters: ["int"], result: "u53" },
  get_outer: { parameters: ["bool"], result: Outer },
});
const { symbols } = library;
after(() => library.close());

/** What `print_outer` writes of a struct. */
function printed(print: (out: Uint8Array) => number): string {
  const out = new Uint8Array(512);
  return new TextDecoder().decode(out.subarray(0, print(out)));
}

const VALUE = {
  flag: true,
  big: 2n ** 63n - 1n,
  one: { tag: -1, weight: 0.1, codes: [0, 1, 65535] },
  letter: 65,
  many: [
    { tag: 127, weight: -1e300, codes: [2, 3, 4] },
    { tag: -128, weight: 5e-324, codes: [5, 6, 7] },
  ],
  ratio: 0.25,
  self: 0n,
  last: 255,
};

/** The same as C prints it; `self` says whether the struct points to itself. */
function expected(self: 0 | 1): string {
  return `1 9223372036854775807 65 0.10000000000000001 0.25 ${self} 255` +
    " [-1 0.10000000000000001 0 1 65535] [127 -1.0000000000000001e+300 2 3 4]" +
    " [-128 4.9406564584124654e-324 5 6 7]";
}

test("Sizes and offsets are the compiler's", () => {
  const layout = [
    sizeof(Outer),
    sizeof(Inner),
    ...(["flag", "big", "one", "letter", "many", "ratio", "self", "last"] as const)
      .map((field) => offsetof(Outer, field)),
    ...(["tag", "weight", "codes"] as const).map((field) => Inner.offsetof(field)),
  ];
  layout.forEach((value, index) => assert.equal(value, symbols.outer_layout(index), `${index}`));
  assert.equal(sizeof(array(Inner, 2)), 2 * Inner.size);
  assert.equal(Outer.alignment, 8);
});

test("A struct written here is read by C", () => {
  assert.equal(printed((out) => symbols.print_outer(out, 512, Outer.encode(VALUE))), expected(0));
  const bytes = new Uint8Array(new ArrayBuffer(3 * Outer.size)).fill(0xEE);
  Outer.write(bytes, VALUE, Outer.size);
  const own = bytes.subarray(Outer.size, 2 * Outer.size);
  assert.equal(printed((out) => symbols.print_outer(out, 512, own)), expected(0));
  assert.ok(bytes.subarray(0, Outer.size).every((byte) => byte === 0xEE));
  assert.ok(bytes.subarray(2 * Outer.size).every((byte) => byte === 0xEE));
});

test("A struct that points to itself can be written through a pointer", () => {
  const pointer = alloc(Outer.size);
  Outer.write(pointer, { ...VALUE, self: pointer });
  assert.equal(printed((out) => symbols.print_at(out, 512, pointer)), expected(1));
  assert.deepEqual(Outer.read(pointer), { ...VALUE, self: pointer });
  free(pointer);
});

test("A struct filled by C, padding and all, is read here", () => {
  const bytes = new Uint8Array(new ArrayBuffer(Outer.size));
  symbols.fill_outer(bytes);
  const filled = {
    flag: true,
    big: -(2n ** 63n),
    one: { tag: -128, weight: 0.1, codes: [1, 2, 65535] },
    letter: 120,
    many: [
      { tag: 1, weight: -1.5, codes: [3, 4, 5] },
      { tag: 2, weight: 1e300, codes: [6, 7, 8] },
    ],
    ratio: 0.25,
    self: toPointer(bytes),
    last: 255,
  };
  assert.deepEqual(Outer.read(bytes), filled);
  assert.equal(symbols.get_outer(false), null);
  const shared = symbols.get_outer(true);
  assert.deepEqual({ ...shared, self: 0n }, { ...filled, self: 0n });
});

test("libc fills, reads and prints a struct tm that was laid out here", {
  skip: process.platform === "win32",
}, () => {
  const tm = struct({
    tm_sec: "int",
    tm_min: "int",
    tm_hour: "int",
    tm_mday: "int",
    tm_mon: "int",
    tm_year: "int",
    tm_wday: "int",
    tm_yday: "int",
    tm_isdst: "int",
    tm_gmtoff: "long",
    tm_zone: "pointer",
  });
  using libc = dlopen(null, {
    gmtime_r: { parameters: ["buffer", tm], result: tm },
    timegm: { parameters: [tm], result: "i64" },
    strftime: { parameters: ["buffer", "size_t", "cstring", tm], result: "size_t" },
  });
  const seconds = 951_782_399n; // The last one of February 28th, 2000.
  const bytes = new Uint8Array(new ArrayBuffer(tm.size));
  const time = libc.symbols.gmtime_r(new BigInt64Array([seconds]), bytes)!;
  const { tm_year, tm_mon, tm_mday, tm_hour, tm_min, tm_sec, tm_wday, tm_yday } = time;
  assert.deepEqual([tm_year, tm_mon, tm_mday], [100, 1, 28]);
  assert.deepEqual([tm_hour, tm_min, tm_sec, tm_wday, tm_yday], [23, 59, 59, 1, 58]);
  assert.match(toString(time.tm_zone), /^(GMT|UTC)$/);
  assert.equal(libc.symbols.timegm(bytes), seconds);
  const next = tm.encode({ ...time, tm_sec: time.tm_sec + 1 });
  assert.equal(libc.symbols.timegm(next), seconds + 1n);
  const out = new Uint8Array(32);
  const length = Number(libc.symbols.strftime(out, out.length, "%Y-%m-%d %H:%M:%S", next));
  assert.equal(new TextDecoder().decode(out.subarray(0, length)), "2000-02-29 00:00:00");
});

test("Layouts with fields of every size have no gaps but C's", () => {
  const types: FieldType[] = ["u8", "u16", "u32", "u64", "f32", "f64", "bool", "pointer"];
  for (const first of types) {
    for (const second of types) {
      const pair = struct({ a: "u8", b: first, c: second });
      const [b, c] = [sizeof(first), sizeof(second)];
      const at = Math.ceil((b + b) / c) * c;
      assert.deepEqual([pair.offsetof("a"), pair.offsetof("b"), pair.offsetof("c")], [0, b, at]);
      const alignment = Math.max(b, c);
      assert.equal(pair.size, Math.ceil((at + c) / alignment) * alignment);
    }
  }
});

test("Layouts that cannot be are refused", () => {
  // deno-lint-ignore no-explicit-any
  const bad = (fields: any) => () => struct(fields);
  for (const fields of [{}, null, undefined, 5, { a: "cstring" }, { a: "buffer" }, { a: "void" }]) {
    fails("ENETJS_ERR_FFI_TYPE", bad(fields), JSON.stringify(fields));
  }
  for (const fields of [{ a: "int33" }, { a: {} }, { a: null }, { a: "toString" }, { 0: "i8" }]) {
    fails("ENETJS_ERR_FFI_TYPE", bad(fields), JSON.stringify(fields));
  }
  for (const length of [-1, 1.5, NaN, "3", 2 ** 40]) {
    fails("ENETJS_ERR_FFI_RANGE", () => array("f64", length as number), String(length));
  }
  fails("ENETJS_ERR_FFI_TYPE", () => array("int33" as "int", 3));
  fails("ENETJS_ERR_FFI_TYPE", () => sizeof("void" as "int"));
  fails("ENETJS_ERR_FFI_TYPE", () => Outer.offsetof("nothing" as "big"));
  fails("ENETJS_ERR_FFI_TYPE", () => offsetof({} as typeof Outer, "big"));
});

test("Values that do not fit their fields are refused, with the field's name", () => {
  const table = [
    ["ENETJS_ERR_FFI_RANGE", { ...VALUE, last: 256 }, /^last: 256 /],
    ["ENETJS_ERR_FFI_RANGE", { ...VALUE, big: 2n ** 63n }, /^big: /],
    ["ENETJS_ERR_FFI_VALUE", { ...VALUE, flag: 1 }, /^flag: expected a boolean, not 1$/],
    ["ENETJS_ERR_FFI_NULL", { ...VALUE, self: null }, /^self: expected a pointer/],
    [
      "ENETJS_ERR_FFI_VALUE",
      { ...VALUE, one: { ...VALUE.one, codes: [1, 2] } },
      /codes: expected an array of 3/,
    ],
    ["ENETJS_ERR_FFI_VALUE", { ...VALUE, many: 3 }, /^many: expected an array of 2, not 3$/],
    ["ENETJS_ERR_FFI_VALUE", { ...VALUE, one: 3 }, /^one: expected an object/],
    ["ENETJS_ERR_FFI_TYPE", { ...VALUE, extra: 3 }, /extra/],
    ["ENETJS_ERR_FFI_VALUE", {}, /^flag: expected a boolean, not undefined$/],
    ["ENETJS_ERR_FFI_VALUE", null, /expected an object, not null/],
  ] as const;
  for (const [code, value, message] of table) {
    // deno-lint-ignore no-explicit-any
    const error = fails(code, () => Outer.encode(value as any), String(message));
    assert.match(error.message, message);
  }
});

test("Nothing is read or written beyond a buffer", () => {
  const { size } = Outer;
  const small = new Uint8Array(size - 1);
  fails("ENETJS_ERR_FFI_RANGE", () => Outer.read(small));
  fails("ENETJS_ERR_FFI_RANGE", () => Outer.write(small, VALUE));
  fails("ENETJS_ERR_FFI_RANGE", () => symbols.fill_outer(small));
  fails("ENETJS_ERR_FFI_RANGE", () => symbols.fill_outer(new Uint8Array()));
  const exact = new ArrayBuffer(size);
  for (const offset of [1, -1, 0.5, NaN, Infinity, "0" as unknown as number]) {
    fails("ENETJS_ERR_FFI_RANGE", () => Outer.read(exact, offset), String(offset));
  }
  fails("ENETJS_ERR_FFI_RANGE", () => Outer.read(2n ** 60n));
  fails("ENETJS_ERR_FFI_NULL", () => Outer.read(0n));
  fails("ENETJS_ERR_FFI_NULL", () => Outer.write(0n, VALUE));
  fails("ENETJS_ERR_FFI_NULL", () => Outer.read(null as unknown as bigint));
  fails("ENETJS_ERR_FFI_VALUE", () => Outer.read("text" as unknown as bigint));
  fails("ENETJS_ERR_FFI_VALUE", () => Outer.read({} as ArrayBuffer));
});
