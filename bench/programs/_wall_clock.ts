/**
 * The time of day, precise enough for ages of messages between processes. `performance.timeOrigin` is not: a process
 * that loses its processor while it starts takes it milliseconds wrong.
 *
 * @module
 */

/** Two readings of `performance.now()` with one of `Date.now()` between them lie no farther apart. */
const GAP_MS = 0.02;
const ATTEMPTS = 50;

/** @returns `Date.now()` less `performance.now()`, at the moment at which a millisecond begins */
function measureOffset(): number {
  let best = Infinity;
  let offset = 0;
  for (let attempt = 0; attempt < ATTEMPTS && best > GAP_MS; attempt++) {
    const first = Date.now();
    let [before, now, after] = [0, first, performance.now()];
    while (now === first) {
      before = after;
      now = Date.now();
      after = performance.now();
    }
    if (after - before >= best) continue;
    best = after - before;
    offset = now - (before + after) / 2;
  }
  return offset;
}

const offset = measureOffset();

/** @returns milliseconds since 1970, with fractions */
export function wallMs(): number {
  return offset + performance.now();
}
