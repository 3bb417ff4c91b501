/**
 * Native memory, errno, and what keeps buffers alive.
 *
 * @module
 */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import {
  alloc,
  dlopen,
  errno,
  free,
  type Pointer,
  type ScalarType,
  toArrayBuffer,
  toPointer,
  toString,
  view,
} from "../../ffi/mod.ts";
import { fails, LIBRARY } from "./_ffi.ts";
import { until } from "../_helpers.ts";

const library = dlopen(LIBRARY, {
  fail_with: { parameters: ["int"], result: "int" },
  sum_bytes: { parameters: ["pointer", "size_t"], result: "u32" },
});
const { fail_with, sum_bytes } = library.symbols;
after(() => library.close());

const libc = dlopen(null, {
  close: { parameters: ["int"], result: "int" },
  open: { parameters: ["cstring", "int"], result: "int", variadic: true },
  malloc: { parameters: ["size_t"], result: "pointer" },
  free: { parameters: ["pointer"], result: "void" },
  strtol: { parameters: ["cstring", "pointer", "int"], result: "long" },
}); // Not closed, because buffers are freed through it whenever they are collected.

test("errno() tells why the last call failed", () => {
  assert.equal(libc.symbols.close(-1), -1);
  assert.equal(errno(), 9); // EBADF
  assert.equal(libc.symbols.open("/no/such/file", 0), -1);
  assert.equal(errno(), 2); // ENOENT
  for (let code = 1; code < 20_000; code++) {
    fail_with(code % 133);
    assert.equal(errno(), code % 133);
  }
});

test("errno() stays what it was through anything but calls", () => {
  fail_with(42);
  const kept: unknown[] = [];
  for (let i = 0; i < 100; i++) kept.push(new Uint8Array(100_000), toString(toPointer(TEXT)));
  assert.equal(kept.length, 200);
  assert.equal(errno(), 42);
});
const TEXT = new TextEncoder().encode("text\0");

test("errno(0) begins anew for functions that set it only when they fail", () => {
  fail_with(5);
  assert.equal(errno(0), 0);
  assert.equal(libc.symbols.strtol("12", 0n, 10), 12n);
  assert.equal(errno(), 0);
  assert.equal(libc.symbols.strtol("9".repeat(30), 0n, 10), 2n ** 63n - 1n);
  assert.equal(errno(), 34); // ERANGE
  fails("ENETJS_ERR_FFI_RANGE", () => errno(2 ** 31));
});

test("alloc() gives zeroed memory that C and JavaScript share", () => {
  const pointer = alloc(1000);
  assert.equal(pointer % 16n, 0n);
  const bytes = new Uint8Array(toArrayBuffer(pointer, 1000));
  assert.ok(bytes.every((byte) => byte === 0));
  bytes.fill(2);
  assert.equal(sum_bytes(pointer, 1000), 2000);
  assert.ok(bytes.every((byte) => byte === 3), "what C wrote is seen");
  free(pointer);
  free(alloc(0));
});

test("free() takes what alloc() gave, once", () => {
  const pointer = alloc(8);
  free(pointer);
  assert.equal(fails("ENETJS_ERR_FFI_POINTER", () => free(pointer)).value, pointer);
  const foreign = libc.symbols.malloc(8);
  fails("ENETJS_ERR_FFI_POINTER", () => free(foreign));
  libc.symbols.free(foreign);
  fails("ENETJS_ERR_FFI_NULL", () => free(0n));
});

test("alloc() says so when there is not so much memory, or no such size", () => {
  for (const size of [-1, 1.5, NaN, 2 ** 32, Infinity]) {
    fails("ENETJS_ERR_FFI_RANGE", () => alloc(size), String(size));
  }
  fails("ENETJS_ERR_FFI_VALUE", () => alloc("8" as unknown as number));
});

test("view() reads and writes every type at every offset", () => {
  const pointer = alloc(64);
  const memory = view(pointer);
  const values: [ScalarType, unknown][] = [
    ["i8", -128],
    ["u8", 255],
    ["i16", -2],
    ["u16", 65535],
    ["i32", -(2 ** 31)],
    ["u32", 2 ** 32 - 1],
    ["i64", -(2n ** 63n)],
    ["u64", 2n ** 64n - 1n],
    ["f32", 0.5],
    ["f64", 0.1],
    ["bool", true],
    ["pointer", pointer],
    ["i53", Number.MIN_SAFE_INTEGER],
    ["size_t", 7n],
  ];
  for (const [type, value] of values) {
    for (let offset = 0; offset < 40; offset++) {
      memory.write(type, value as never, offset);
      assert.equal(memory.read(type, offset), value, type);
    }
  }
  assert.equal(view(pointer + 8n).read("u8", -8), memory.read("u8"));
  memory.write("i64", 2n ** 60n);
  fails("ENETJS_ERR_FFI_RANGE", () => memory.read("i53"));
  fails("ENETJS_ERR_FFI_RANGE", () => memory.write("u8", 256));
  fails("ENETJS_ERR_FFI_TYPE", () => memory.read("cstring" as "i8"));
  for (const offset of [0.5, NaN, Infinity, "1" as unknown as number]) {
    fails("ENETJS_ERR_FFI_RANGE", () => memory.read("i8", offset), String(offset));
  }
  free(pointer);
});

test("toPointer() is where a buffer is, with the view's offset", () => {
  const buffer = new ArrayBuffer(64);
  const base = toPointer(buffer);
  assert.equal(toPointer(new Uint8Array(buffer, 5)), base + 5n);
  assert.equal(toPointer(new DataView(buffer, 8)), base + 8n);
  const small = new Uint8Array([1, 2, 3]); // Engines keep these elsewhere at first.
  assert.equal(sum_bytes(toPointer(small), 3), 6);
  assert.deepEqual([...small], [2, 3, 4]);
  const shared = new Uint8Array(new SharedArrayBuffer(4));
  assert.equal(view(toPointer(shared)).read("u32"), 0);
  const late = new Uint8Array(buffer);
  buffer.transfer();
  for (const detached of [buffer, late]) fails("ENETJS_ERR_FFI_VALUE", () => toPointer(detached));
  for (const empty of [new ArrayBuffer(0), new Uint8Array()]) {
    fails("ENETJS_ERR_FFI_NULL", () => toPointer(empty));
  }
});

test("toString() reads UTF-8 up to the zero, or so many bytes", () => {
  const bytes = new TextEncoder().encode("grüße 🎉\0rest\0");
  const pointer = toPointer(bytes);
  assert.equal(toString(pointer), "grüße 🎉");
  assert.equal(toString(pointer, 2), "gr");
  assert.equal(toString(pointer, bytes.length), "grüße 🎉\0rest\0");
  assert.equal(toString(pointer, 0), "");
  assert.equal(toString(toPointer(new Uint8Array([0xFF, 0x41, 0]))), "\uFFFDA");
});

test("toArrayBuffer() with free calls it once nothing refers to the buffer", async () => {
  const freed: Pointer[] = [];
  const made: Pointer[] = [];
  for (let i = 0; i < 50; i++) {
    const pointer = libc.symbols.malloc(65_536);
    made.push(pointer);
    const buffer = toArrayBuffer(pointer, 65_536, {
      free(pointer) {
        freed.push(pointer);
        libc.symbols.free(pointer);
      },
    });
    new Uint8Array(buffer).fill(i);
  }
  await until(
    () => {
      for (let i = 0; i < 20; i++) new Uint8Array(1_000_000).fill(i);
      return freed.length > 0;
    },
    60_000,
    "a buffer to be collected",
  );
  assert.ok(freed.every((pointer) => made.includes(pointer)));
  assert.equal(new Set(freed).size, freed.length);
});

test("A buffer with free cannot be transferred, and one without can", () => {
  const pointer = alloc(8);
  const owned = toArrayBuffer(pointer, 8, { free });
  assert.throws(() => structuredClone(owned, { transfer: [owned] }));
  assert.throws(() => owned.transfer());
  assert.throws(() => owned.transferToFixedLength());
  assert.equal(owned.byteLength, 8);
  const other = alloc(8);
  const moved = toArrayBuffer(other, 8).transfer();
  new Uint8Array(moved)[0] = 5;
  assert.equal(view(other).read("u8"), 5);
  moved.transfer(0);
  free(other);
});

test("Lengths and pointers that cannot be are refused", () => {
  const pointer = alloc(8);
  for (const length of [-1, 0.5, NaN, 2 ** 32, Infinity]) {
    fails("ENETJS_ERR_FFI_RANGE", () => toArrayBuffer(pointer, length), String(length));
    fails("ENETJS_ERR_FFI_RANGE", () => toString(pointer, length), String(length));
  }
  fails("ENETJS_ERR_FFI_VALUE", () => toArrayBuffer(pointer, undefined as unknown as number));
  fails("ENETJS_ERR_FFI_VALUE", () => toArrayBuffer(pointer, 8, { free: 5 as never }));
  assert.equal(toArrayBuffer(pointer, 0).byteLength, 0);
  free(pointer);
  const table = [
    [0n, "ENETJS_ERR_FFI_NULL"],
    [null, "ENETJS_ERR_FFI_NULL"],
    [undefined, "ENETJS_ERR_FFI_NULL"],
    [1, "ENETJS_ERR_FFI_VALUE"],
    ["1", "ENETJS_ERR_FFI_VALUE"],
    [{}, "ENETJS_ERR_FFI_VALUE"],
    [-1n, "ENETJS_ERR_FFI_RANGE"],
    [2n ** 53n, "ENETJS_ERR_FFI_RANGE"],
    [2n ** 64n, "ENETJS_ERR_FFI_RANGE"],
  ] as const;
  for (const [value, code] of table) {
    const wrong = value as bigint;
    for (const use of [toString, view, free, (p: bigint) => toArrayBuffer(p, 8)]) {
      assert.equal(fails(code, () => use(wrong), String(value)).value, value);
    }
  }
});
