/**
 * What programs of qjs-ffi need: its type names, an ABI, and pointers from whatever has an address.
 *
 * @module
 */
import assert from "node:assert/strict";
import process from "node:process";
import { test } from "node:test";
import {
  type Abi,
  call,
  callback,
  define,
  dlopen,
  dlsym,
  functionAt,
  RTLD_DEFAULT,
  sizeof,
  struct,
  toString,
} from "../../ffi/mod.ts";
import { currentRuntime, spawnRuntime, withDeadline } from "../_helpers.ts";
import { fails, LIBRARY } from "./_ffi.ts";

const windows = process.platform === "win32";

test("A program of qjs-ffi runs once its import is changed", { skip: windows }, async () => {
  await using program = spawnRuntime(currentRuntime(), "qjs_ffi.js");
  const { code, stdout, stderr } = await withDeadline(program.ended, 60_000, "qjs_ffi.js");
  assert.equal(code, 0, stderr);
  assert.deepEqual(stdout.trimEnd().split("\n"), [
    "hello",
    "5 5 0",
    "7 7 7 7 7 7 7 7 7 7",
    "9 9 9 0",
    "1234",
    "true",
    String(2n ** 62n),
    "true",
  ]);
});

test("The type names of libffi are sizes, and go there and back", () => {
  using library = dlopen(LIBRARY, {
    sint8: { parameters: ["sint8"], result: "sint8", name: "round_i8" },
    uint8: { parameters: ["uint8"], result: "uint8", name: "round_u8" },
    sint16: { parameters: ["sint16"], result: "sint16", name: "round_i16" },
    uint16: { parameters: ["uint16"], result: "uint16", name: "round_u16" },
    sint32: { parameters: ["sint32"], result: "sint32", name: "round_i32" },
    uint32: { parameters: ["uint32"], result: "uint32", name: "round_u32" },
    sint64: { parameters: ["sint64"], result: "sint64", name: "round_i64" },
    uint64: { parameters: ["uint64"], result: "uint64", name: "round_u64" },
    slong: { parameters: ["slong"], result: "slong", name: "round_long" },
  });
  const { symbols } = library;
  assert.deepEqual(
    [symbols.sint8(-128), symbols.sint16(-32768), symbols.sint32(-(2 ** 31))],
    [-128, -32768, -(2 ** 31)],
  );
  assert.deepEqual(
    [symbols.uint8(255), symbols.uint16(65535), symbols.uint32(2 ** 32 - 1)],
    [255, 65535, 2 ** 32 - 1],
  );
  assert.deepEqual(
    [symbols.sint64(-(2n ** 63n)), symbols.uint64(2n ** 64n - 1n), symbols.slong(-1)],
    [-(2n ** 63n), 2n ** 64n - 1n, -1n],
  );
  fails("ENETJS_ERR_FFI_RANGE", () => symbols.sint8(128));
  assert.deepEqual(
    (["schar", "uchar", "sshort", "ushort", "sint", "uint", "char *", "void *"] as const).map(
      sizeof,
    ),
    [1, 1, 2, 2, 4, 4, 8, 8],
  );
});

test("A C pointer takes pointers, strings, buffers and null, and comes back as a pointer", () => {
  using library = dlopen(LIBRARY, {
    round: { parameters: ["void *"], result: "void *", name: "round_pointer" },
    echo: { parameters: ["const char *"], result: "char *", name: "echo_string" },
    sum: { parameters: ["const void *", "size_t"], result: "u32", name: "sum_bytes" },
  });
  const { round, echo, sum } = library.symbols;
  assert.equal(round(4096n), 4096n);
  assert.equal(round(null), 0n);
  assert.equal(toString(echo("grün")), "grün");
  assert.equal(toString(echo("x".repeat(4_000))).length, 4_000);
  assert.equal(sum(new Uint8Array([1, 2, 3]), 3), 6);
  assert.equal(sum(new Uint8Array([1, 2, 3, 4]).subarray(2), 2), 7);
  assert.equal(sum(new Uint16Array([256, 2]).buffer, 4), 3);
  assert.equal(sum("\x01\x02", 2), 3);
  const untyped = round as (value: unknown) => unknown;
  fails("ENETJS_ERR_FFI_VALUE", () => untyped(5), "a number is no pointer");
  fails("ENETJS_ERR_FFI_VALUE", () => untyped({}), "nor is an object");
  fails("ENETJS_ERR_FFI_VALUE", () => untyped("a\0b"), "a string with a zero");
  fails("ENETJS_ERR_FFI_RANGE", () => untyped(-1n));
});

test("Fields and callbacks know C pointers as pointers", { skip: windows }, () => {
  const Pair = struct({ name: "char *", data: "const void *" });
  assert.deepEqual(Pair.read(Pair.encode({ name: 1n, data: 2n })), { name: 1n, data: 2n });
  const seen: unknown[] = [];
  let nested = false;
  using library = dlopen(null, {
    bsearch: {
      parameters: ["char *", "void *", "size_t", "size_t", "function"],
      result: "void *",
    },
  });
  using compare = callback(
    { parameters: ["const void *", "const void *"], result: "int" },
    (key, element) => {
      // What the call was given is held, also when the same function is called within it.
      if (!nested) {
        nested = true;
        library.symbols.bsearch("b", "y", 1, 1, compare);
      }
      seen.push(toString(key, 1), toString(element, 1));
      return toString(key, 1) === toString(element, 1) ? 0 : 1;
    },
  );
  assert.notEqual(library.symbols.bsearch("a", "a", 1, 1, compare), 0n);
  assert.deepEqual(seen.slice(-2), ["a", "a"]);
});

test("An ABI is the platform's, or refused by name", { skip: windows }, () => {
  const pointer = dlsym(RTLD_DEFAULT, "abs");
  const native: Abi = process.arch === "x64" ? "unix64" : "sysv";
  for (const abi of [null, "default", native] as const) {
    assert.equal(define(`abs ${abi}`, pointer, abi, "int", "int")(-3), 3);
    assert.equal(call(`abs ${abi}`, -4), 4);
    assert.equal(functionAt(pointer, { parameters: ["int"], result: "int", abi })(-5), 5);
  }
  for (const abi of ["win64", "stdcall", "thiscall", "fastcall", "ms_cdecl"] as const) {
    const error = fails(
      "ENETJS_ERR_FFI_UNSUPPORTED",
      () => define("abs null", pointer, abi, "int", "int"),
    );
    assert.equal(error.value, abi);
    assert.match(error.message, new RegExp(`"${abi}" is not an ABI of ${process.platform}`));
    fails(
      "ENETJS_ERR_FFI_UNSUPPORTED",
      () => dlopen(null, { abs: { parameters: ["int"], result: "int", abi } }),
    );
  }
  const nonsense = "cdecl" as Abi;
  fails("ENETJS_ERR_FFI_TYPE", () => define("abs", pointer, nonsense, "int", "int"));
  fails(
    "ENETJS_ERR_FFI_TYPE",
    () => functionAt(pointer, { parameters: ["int"], result: "int", abi: nonsense }),
  );
});
