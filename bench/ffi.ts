/**
 * What the module `@enetjs/enet/ffi` costs: the runtime's own function, the one that the library itself
 * calls libenetjs with, and the checked one that users get, in turns within one process. The first
 * lines are the signatures of libenetjs, by functions that do next to nothing when they are given
 * nonsense.
 *
 *     deno run -A bench/ffi.ts
 *     bun bench/ffi.ts
 *     node --disable-warning=ExperimentalWarning bench/ffi.ts
 *     npx -y node@24 bench/ffi.ts   # through koffi
 *
 * @module
 */
import process from "node:process";
import type { NativeType, RawFunction } from "../ffi/contract.ts";
import { loadLibrary } from "../ffi/loader.ts";
import { dlopen, type Signature } from "../ffi/mod.ts";
import { detectRuntime } from "../ffi/runtime.ts";

const ROUNDS = 15;
const CALLS = 300_000;

/** A function, what to call it with, and what the runtime is told its types are. */
interface Case {
  readonly path: string;
  readonly name: string;
  readonly signature: Signature;
  readonly native: readonly NativeType[];
  readonly values: readonly unknown[];
  /** What the runtime takes in their place. */
  readonly rawValues?: readonly unknown[];
  /** The library's own. */
  readonly own?: RawFunction;
}

const bytes = new Uint8Array(new ArrayBuffer(64));
const text = new TextEncoder().encode("hello\0");
const { path, native } = await loadLibrary();
const LIBC = process.platform === "darwin" ? "/usr/lib/libSystem.B.dylib" : "libc.so.6";

/** A function of libenetjs, which has doubles and buffers only. */
function ours(name: keyof typeof native, ...values: (number | Uint8Array)[]): Case {
  const types = values.map((value) => typeof value === "number" ? "f64" : "buffer");
  const signature: Signature = { parameters: types, result: "f64" };
  return { path, name, signature, native: types, values, own: native[name] as RawFunction };
}

const cases: readonly Case[] = [
  ours("enetjs_abi_version"),
  ours("enetjs_packet_references", 0),
  ours("enetjs_peer_state", 0, 0),
  ours("enetjs_host_broadcast_packet", 0, 0, 0, 0, bytes, 0, 0),
  ours("enetjs_host_broadcast", 0, 0, 0, 0, 0, bytes, 0, 0),
  ours("enetjs_peer_send_packet", 0, 0, 0, 0, 0, 0),
  ours("enetjs_peer_send", 0, 0, 0, 0, 0, 0, 0),
  ours("enetjs_layout", bytes, 0),
  ours("enetjs_packet_write", 0, bytes, 0),
  {
    path: LIBC,
    name: "abs",
    signature: { parameters: ["int"], result: "int" },
    native: ["i32"],
    values: [-5],
  },
  {
    path: LIBC,
    name: "llabs",
    signature: { parameters: ["long long"], result: "long long" },
    native: ["i64"],
    values: [-5n],
  },
  {
    path: LIBC,
    name: "strlen",
    signature: { parameters: ["cstring"], result: "size_t" },
    native: ["buffer"],
    values: ["hello"],
    rawValues: [text],
  },
];

/** Nanoseconds of a call. */
type Timer = () => number;

let serial = 0;

/** A loop of its own for each function, which the engine can optimize for that one. */
function timer(call: RawFunction, values: readonly unknown[]): Timer {
  const names = values.map((_, index) => `v${index}`);
  // The function is a constant of the loop, as one that a module has imported would be.
  const loop = new Function(
    "call",
    `return (values, count) => { // ${serial++}, for engines recognize texts that are the same
      const [${names}] = values;
      for (let i = 0; i < count; i++) call(${names});
    };`,
  )(call);
  return () => {
    const start = performance.now();
    loop(values, CALLS);
    return (performance.now() - start) * 1e6 / CALLS;
  };
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1];
}

const runtime = detectRuntime();
const results = { i32: "i32", int: "i32", "long long": "i64", size_t: "u64", f64: "f64" } as const;

const version = runtime.name === "node" ? process.version : "";
console.log(
  `${runtime.name} ${version}, ns a call, medians of ${ROUNDS} rounds of ${CALLS} in turns\n`,
);
console.log("| function | arguments | runtime | library | checked |");
console.log("| -- | -- | --: | --: | --: |");
for (const { path, name, signature, native, values, rawValues = values, own } of cases) {
  const result = results[signature.result as keyof typeof results];
  const raw = runtime.open(path, { [name]: { parameters: native, result } });
  using library = dlopen(path, { [name]: signature });
  const timers = [
    timer(raw.functions[name], rawValues),
    timer(library.symbols[name] as RawFunction, values),
    ...own === undefined ? [] : [timer(own, rawValues)],
  ];
  const seen = timers.map((): number[] => []);
  for (let round = 0; round < ROUNDS; round++) {
    // A turn of the event loop, after which Node lets go of what calls with buffers leave behind.
    await new Promise((resolve) => setTimeout(resolve, 0));
    timers.forEach((time, index) => seen[index].push(time()));
  }
  const [first, ...others] = seen.map(median);
  const list = signature.parameters.join(", ").replaceAll(
    /f64(, f64)+/g,
    (all) => `f64 × ${all.split(",").length}`,
  );
  const [checked, inside] = others.map((ns) => `${ns.toFixed(1)} (${(ns / first).toFixed(2)})`);
  console.log(
    `| \`${name}\` | ${list || "–"} | ${first.toFixed(1)} | ${inside ?? "–"} | ${checked} |`,
  );
}
