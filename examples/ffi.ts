/**
 * The C library from TypeScript: strings, a buffer, a struct, a callback, errno.
 *
 *     deno run --allow-ffi examples/ffi.ts
 *     bun examples/ffi.ts
 *     node examples/ffi.ts
 *
 * Linux or macOS: Windows has its C library elsewhere.
 */
import { callback, dlopen, errno, struct, toString, view } from "@enetjs/enet/ffi";

/** `struct tm` of <time.h>. */
const Time = struct({
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
  getenv: { parameters: ["cstring"], result: "cstring" },
  strdup: { parameters: ["cstring"], result: "pointer" },
  free: { parameters: ["pointer"], result: "void" },
  snprintf: {
    parameters: ["buffer", "size_t", "cstring", "int", "cstring"],
    result: "int",
    variadic: true,
  },
  gmtime_r: { parameters: ["buffer", Time], result: Time },
  qsort: { parameters: ["buffer", "size_t", "size_t", "function"], result: "void" },
  chdir: { parameters: ["cstring"], result: "int" },
  strerror: { parameters: ["int"], result: "cstring" },
});
const { getenv, strdup, free, snprintf, gmtime_r, qsort, chdir, strerror } = libc.symbols;

console.log("home:", getenv("HOME") ?? "none");

const copy = strdup("hello");
console.log("copied:", toString(copy));
free(copy); // What the C library allocated, it frees.

const out = new Uint8Array(64);
const length = snprintf(out, out.length, "%d bottles of %s", 99, "beer");
console.log("printed:", new TextDecoder().decode(out.subarray(0, length)));

const seconds = new BigInt64Array([1_000_000_000n]);
const { tm_year, tm_mon, tm_mday } = gmtime_r(seconds, new Uint8Array(Time.size))!;
console.log("the billionth second:", `${1900 + tm_year}-${tm_mon + 1}-${tm_mday}`);

const numbers = new Float64Array([3.5, -1, 2]);
using compare = callback(
  { parameters: ["pointer", "pointer"], result: "int" },
  (a, b) => Math.sign(view(a).read("double") - view(b).read("double")),
);
qsort(numbers, numbers.length, numbers.BYTES_PER_ELEMENT, compare);
console.log("sorted:", numbers.join(" "));

if (chdir("/no/such/folder") !== 0) console.log("chdir:", strerror(errno()));
