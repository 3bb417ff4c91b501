/**
 * Where the line between the arena and mapped packets is best drawn: the time to show a payload to the
 * program by copying it into the arena and lending a view, and by mapping native memory. The library
 * draws it at 64 KiB (`inline_maximum` in native/src/host/host.c). Run it with
 *
 *     deno run -A bench/threshold.ts
 *     bun bench/threshold.ts
 *     node --disable-warning=ExperimentalWarning bench/threshold.ts
 *
 * @module
 */
import { loadLibrary } from "../ffi/loader.ts";

const SIZES = [256, 1024, 4096, 16_384, 65_536, 131_072, 262_144, 1_048_576];
const ROUNDS = 9;
const BYTES_PER_ROUND = 64 * 2 ** 20;
const MOST = 20_000;

const { native, runtime } = await loadLibrary();
const map = runtime.map;
if (map === undefined) throw new Error("This measurement needs pointers: run with -A");

let sum = 0;

/** What the program does with a view: a look at both ends. */
function look(view: Uint8Array): void {
  sum += view[0] + view[view.length - 1];
}

/** Nanoseconds per payload. */
function time(count: number, once: () => void): number {
  const start = performance.now();
  for (let i = 0; i < count; i++) once();
  return (performance.now() - start) * 1e6 / count;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1];
}

console.log("   bytes   arena ns   mapped ns   mapped / arena");
for (const size of SIZES) {
  const count = Math.min(MOST, Math.ceil(BYTES_PER_ROUND / size));
  const packet = native.enetjs_packet_create(size);
  const address = native.enetjs_packet_address(packet);
  const arena = new Uint8Array(2 * size);
  const whole = arena.subarray(0, size);
  const arenaTimes: number[] = [];
  const mappedTimes: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    // The copy that native code makes, then the view that the program gets.
    arenaTimes.push(time(count, () => {
      native.enetjs_packet_read(packet, whole, size);
      look(arena.subarray(0, size));
    }));
    mappedTimes.push(time(count, () => {
      const buffer = map(address, size);
      look(new Uint8Array(buffer));
      buffer.transfer(0);
    }));
  }
  native.enetjs_packet_release(packet);
  const [copied, mapped] = [median(arenaTimes), median(mappedTimes)];
  console.log(
    `${String(size).padStart(8)}${copied.toFixed(0).padStart(11)}${
      mapped.toFixed(0).padStart(12)
    }` +
      `${(mapped / copied).toFixed(2).padStart(17)}`,
  );
}
if (Number.isNaN(sum)) throw new Error("impossible");
