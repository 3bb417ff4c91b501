/**
 * JavaScript functions that C calls.
 *
 * @module
 */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import {
  type Callback,
  callback,
  dlopen,
  functionAt,
  type Pointer,
  prepare,
  struct,
  toArrayBuffer,
  view,
} from "../../ffi/mod.ts";
import { whenIdle } from "../../ffi/_callback.ts";
import { detectRuntime } from "../../ffi/runtime.ts";
import { fails, LIBRARY } from "./_ffi.ts";
import { until } from "../_helpers.ts";

const Inner = struct({ tag: "i8", weight: "f64" });

const library = dlopen(LIBRARY, {
  call_mixed: { parameters: ["function"], result: "double" },
  call_i8: { parameters: ["function", "i8"], result: "i8" },
  call_u8: { parameters: ["function", "u8"], result: "u8" },
  call_i16: { parameters: ["function", "i16"], result: "i16" },
  call_u16: { parameters: ["function", "u16"], result: "u16" },
  call_i32: { parameters: ["function", "i32"], result: "i32" },
  call_u32: { parameters: ["function", "u32"], result: "u32" },
  call_i64: { parameters: ["function", "i64"], result: "i64" },
  call_u64: { parameters: ["function", "u64"], result: "u64" },
  call_f32: { parameters: ["function", "f32"], result: "f32" },
  call_f64: { parameters: ["function", "f64"], result: "f64" },
  call_bool: { parameters: ["function", "bool"], result: "bool" },
  call_times: { parameters: ["function", "int"], result: "int" },
  call_nothing: { parameters: ["function"], result: "void" },
  thread_start: { parameters: ["function", "int"], result: "int" },
  thread_join: { parameters: [], result: "int" },
});
const { symbols } = library;
after(() => library.close());

const libc = dlopen(null, {
  qsort: { parameters: ["buffer", "size_t", "size_t", "function"], result: "void" },
});
after(() => libc.close());

/** Numbers that are the same in every run. */
function numbers(count: number): Int32Array {
  let state = 12345;
  return Int32Array.from({ length: count }, () => {
    state = Math.imul(state, 1103515245) + 12345 | 0;
    return state;
  });
}

const COMPARE = { parameters: ["pointer", "pointer"], result: "int" } as const;

test("qsort sorts 10,000 numbers by a JavaScript comparator", () => {
  const values = numbers(10_000);
  let calls = 0;
  using compare = callback(COMPARE, (a, b) => {
    calls++;
    return Math.sign(view(a).read("int") - view(b).read("int"));
  });
  libc.symbols.qsort(values, values.length, 4, compare);
  assert.deepEqual([...values], [...numbers(10_000)].sort((a, b) => a - b));
  assert.ok(calls >= 9_999, `${calls} comparisons`);
});

test("What a comparator throws, qsort throws, and the process and the callback live on", () => {
  const values = numbers(10_000);
  const fault = new Error("not comparable");
  let calls = 0;
  using compare = callback(COMPARE, (a, b) => {
    calls++;
    if (calls === 100) throw fault;
    return Math.sign(view(a).read("int") - view(b).read("int"));
  });
  for (let turn = 0; turn < 3; turn++) {
    calls = 0;
    assert.throws(
      () => libc.symbols.qsort(values, values.length, 4, compare),
      (error) => error === fault,
    );
    assert.equal(calls, 100, "no more of them after the error");
  }
  calls = 101;
  libc.symbols.qsort(values, values.length, 4, compare);
  assert.deepEqual([...values], [...numbers(10_000)].sort((a, b) => a - b));
});

test("Undefined and null can be thrown too", () => {
  for (const fault of [undefined, null, 0]) {
    using thrower = callback({ parameters: [], result: "void" }, () => {
      throw fault;
    });
    let caught: unknown = "nothing";
    try {
      symbols.call_nothing(thrower);
    } catch (error) {
      caught = error;
    }
    assert.equal(caught, fault);
  }
});

test("Every type comes to a callback as C gave it", () => {
  let seen: unknown[] = [];
  using mixed = callback({
    parameters: ["i8", "u16", "i64", "u64", "f32", "f64", "bool", "cstring", "pointer"],
    result: "double",
  }, (...values) => {
    seen = values;
    return 0.125;
  });
  for (let turn = 0; turn < 2000; turn++) assert.equal(symbols.call_mixed(mixed), 0.125);
  assert.deepEqual(seen, [-5, 65535, -(2n ** 63n), 2n ** 64n - 1n, 0.5, -0, true, "text", 0n]);
});

test("Every type goes back from a callback", () => {
  const table = [
    ["i8", symbols.call_i8, [-128, -1, 0, 127]],
    ["u8", symbols.call_u8, [0, 128, 255]],
    ["i16", symbols.call_i16, [-32768, -1, 32767]],
    ["u16", symbols.call_u16, [0, 65535]],
    ["i32", symbols.call_i32, [-(2 ** 31), -1, 2 ** 31 - 1]],
    ["u32", symbols.call_u32, [0, 2 ** 31, 2 ** 32 - 1]],
    ["i64", symbols.call_i64, [-(2n ** 63n), -1n, 2n ** 63n - 1n]],
    ["u64", symbols.call_u64, [0n, 2n ** 63n, 2n ** 64n - 1n]],
    ["f32", symbols.call_f32, [-0.5, Infinity]],
    ["f64", symbols.call_f64, [0.1, -1e300]],
    ["bool", symbols.call_bool, [true, false]],
  ] as const;
  for (const [type, call, values] of table) {
    using same = callback({ parameters: [type], result: type }, (value) => value);
    for (const value of values) {
      assert.equal((call as (...all: unknown[]) => unknown)(same, value), value, type);
    }
  }
});

test("A result that is not of its type is an error of the call", () => {
  const results: [unknown, "ENETJS_ERR_FFI_RANGE" | "ENETJS_ERR_FFI_VALUE"][] = [
    [128, "ENETJS_ERR_FFI_RANGE"],
    [1.5, "ENETJS_ERR_FFI_RANGE"],
    [NaN, "ENETJS_ERR_FFI_RANGE"],
    ["1", "ENETJS_ERR_FFI_VALUE"],
    [undefined, "ENETJS_ERR_FFI_VALUE"],
    [1n, "ENETJS_ERR_FFI_VALUE"],
  ];
  for (const [result, code] of results) {
    using wrong = callback({ parameters: ["i8"], result: "i8" }, () => result as number);
    const error = fails(code, () => symbols.call_i8(wrong, 1), String(result));
    assert.equal(error.value, result);
  }
});

test("A struct comes as a copy, or as null", () => {
  const Outer = struct({ flag: "bool", big: "i64", one: Inner });
  using library = dlopen(LIBRARY, { call_outer: { parameters: ["function"], result: "i64" } });
  using read = callback({ parameters: [Outer], result: "i64" }, (outer) => {
    assert.deepEqual(outer, { flag: true, big: -(2n ** 63n), one: { tag: -128, weight: 0.1 } });
    return 7;
  });
  assert.equal(library.symbols.call_outer(read), 7n);
});

test("Callbacks may call C, which may call callbacks", () => {
  using inner = callback({ parameters: ["int"], result: "int" }, (value) => value * 2);
  using outer = callback({ parameters: ["int"], result: "int" }, (value) => {
    return symbols.call_times(inner, value);
  });
  assert.equal(symbols.call_times(outer, 5), 0 + 0 + 2 + 6 + 12);
});

test("An error in a callback within a callback can be caught between them", () => {
  using thrower = callback({ parameters: ["int"], result: "int" }, () => {
    throw new Error("inner");
  });
  using outer = callback({ parameters: ["int"], result: "int" }, () => {
    assert.throws(() => symbols.call_times(thrower, 3), /inner/);
    return 1;
  });
  assert.equal(symbols.call_times(outer, 4), 4);
});

test("Endless recursion through C is an error and not the end of the process", () => {
  let depth = 0;
  using endless: Callback = callback({ parameters: [], result: "void" }, () => {
    depth++;
    symbols.call_nothing(endless);
  });
  fails("ENETJS_ERR_FFI_RANGE", () => symbols.call_nothing(endless));
  assert.equal(depth, 64);
});

test("Where the stack ends, a call that would call back is an error and not the end", () => {
  let calls = 0;
  let refused = 0;
  using count = callback({ parameters: [], result: "void" }, () => void calls++);
  const descend = (): void => {
    try {
      descend();
    } catch (error) {
      try {
        symbols.call_nothing(count);
      } catch {
        refused++;
      }
      throw error;
    }
  };
  assert.throws(descend, RangeError);
  assert.ok(calls > 0 && refused > 0, `${calls} and ${refused}`);

  // What must not be freed under a callback still waits until it has returned.
  let isOver = false;
  using waiting = callback({ parameters: [], result: "void" }, () => {
    whenIdle(() => void (isOver = true));
    assert.equal(isOver, false);
  });
  symbols.call_nothing(waiting);
  assert.equal(isOver, true);
});

test("A callback may close itself, and the library that calls it", () => {
  const own = dlopen(LIBRARY, { call_times: { parameters: ["function", "int"], result: "int" } });
  const closing: Callback = callback({ parameters: ["int"], result: "int" }, (value) => {
    if (value === 1) {
      own.close();
      closing.close();
    }
    return value;
  });
  assert.equal(own.symbols.call_times(closing, 4), 6);
  assert.equal(closing.closed, true);
  fails("ENETJS_ERR_FFI_CLOSED", () => closing.pointer);
  fails("ENETJS_ERR_FFI_CLOSED", () => own.symbols.call_times(closing, 1));
  fails("ENETJS_ERR_FFI_CLOSED", () => symbols.call_times(closing, 1));
});

test("A callback that nobody refers to any more is still there for C", () => {
  let calls = 0;
  const pointer: Pointer = (() =>
    callback({ parameters: ["int"], result: "int" }, () => {
      calls++;
      return 1;
    }).pointer)();
  for (let i = 0; i < 200; i++) new Uint8Array(1_000_000).fill(i);
  assert.equal(symbols.call_times(pointer, 1000), 1000);
  assert.equal(calls, 1000);
});

test("A callback's own pointer makes a function", async () => {
  await prepare();
  using add = callback({ parameters: ["i32", "f64"], result: "f64" }, (a, b) => a + b);
  const same = functionAt(add.pointer, { parameters: ["i32", "f64"], result: "f64" });
  assert.equal(same(-3, 0.5), -2.5);
});

test("Many callbacks can be made and closed", () => {
  for (let i = 0; i < 3000; i++) {
    using one = callback({ parameters: ["int"], result: "int" }, (value) => value + i);
    assert.equal(symbols.call_times(one, 2), 2 * i + 1);
  }
});

test("Another thread calls a thread-safe callback; where it cannot, making it is the error", async () => {
  const seen: number[] = [];
  const make = () =>
    callback({ parameters: ["int"], result: "void" }, (value) => seen.push(value), {
      threadSafe: true,
    });
  if (detectRuntime().threadSafeCallback === undefined) {
    const error = fails("ENETJS_ERR_FFI_UNSUPPORTED", make);
    assert.match(error.message, /on node, other threads/);
    return;
  }
  using report = make();
  assert.equal(symbols.thread_start(report, 100), 0);
  await until(() => seen.length === 100, 10_000, "100 calls from another thread");
  assert.equal(symbols.thread_join(), 0);
  assert.deepEqual(seen, Array.from({ length: 100 }, (_, index) => index));
});

test("Signatures that a callback cannot have are refused", () => {
  const nothing = () => 0;
  // deno-lint-ignore no-explicit-any
  const wrong: any[] = [
    { parameters: ["buffer"], result: "void" },
    { parameters: ["void"], result: "void" },
    { parameters: ["int32"], result: "void" },
    { parameters: [], result: "cstring" },
    { parameters: [], result: "buffer" },
    { parameters: [], result: Inner },
    { parameters: [] },
    { result: "void" },
    undefined,
  ];
  for (const signature of wrong) {
    fails("ENETJS_ERR_FFI_TYPE", () => callback(signature, nothing), JSON.stringify(signature));
  }
  fails(
    "ENETJS_ERR_FFI_TYPE",
    () => callback({ parameters: [], result: "int" }, nothing, { threadSafe: true }),
  );
  fails(
    "ENETJS_ERR_FFI_VALUE",
    () => callback({ parameters: [], result: "void" }, "no function" as unknown as () => void),
  );
});

test("Memory that a callback is shown is the caller's own", () => {
  const values = new Int32Array([3, 1, 2]);
  const addresses = new Set<Pointer>();
  using compare = callback(COMPARE, (a, b) => {
    addresses.add(a).add(b);
    const [x] = new Int32Array(toArrayBuffer(a, 4));
    const [y] = new Int32Array(toArrayBuffer(b, 4));
    return x - y;
  });
  libc.symbols.qsort(values, 3, 4, compare);
  assert.deepEqual([...values], [1, 2, 3]);
  assert.ok(addresses.size >= 2);
});
