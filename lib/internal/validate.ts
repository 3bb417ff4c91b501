/** Checks of arguments; every message carries the value. */
import { show } from "../../ffi/show.ts";

export { show };

/** Refuses everything but an integer in a range. */
export function integer(value: unknown, name: string, minimum: number, maximum: number): number {
  if (typeof value !== "number") {
    throw new TypeError(`${name} must be a number, not ${show(value)}`);
  }
  if (!Number.isInteger(value) || value < minimum || value > maximum) {
    throw new RangeError(`${name} must be an integer from ${minimum} to ${maximum}, not ${value}`);
  }
  return value;
}

/** Refuses everything but a boolean. */
export function boolean(value: unknown, name: string): boolean {
  if (typeof value !== "boolean") {
    throw new TypeError(`${name} must be a boolean, not ${show(value)}`);
  }
  return value;
}

/** Refuses everything but one of some strings. */
export function oneOf<T extends string>(value: unknown, name: string, choices: readonly T[]): T {
  const found = choices.find((choice) => choice === value);
  if (found === undefined) {
    throw new TypeError(
      `${name} must be ${choices.map((c) => `"${c}"`).join(" or ")}, not ${show(value)}`,
    );
  }
  return found;
}

/** What other libraries and runtimes call an option, in lower case. */
const SYNONYMS: Readonly<Record<string, readonly string[]>> = {
  hostname: ["host", "address", "ip", "server", "bind"],
  peers: ["maxpeers", "peercount", "peerlimit", "maxclients", "clients", "maxconnections"],
  channels: ["maxchannels", "channelcount", "channellimit"],
  incomingBandwidth: ["down", "downstream"],
  outgoingBandwidth: ["up", "upstream"],
  checksum: ["crc", "crc32"],
  compression: ["compress", "rangecoder"],
  receive: ["message", "packet", "data"],
  graceMs: ["timeout", "timeoutms"],
};

/** How many letters have to be inserted, removed, replaced or swapped to make `b` of `a`. */
function editDistance(a: string, b: string): number {
  const rows = [Array.from({ length: b.length + 1 }, (_, i) => i)];
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = rows[i - 1][j - 1] + Number(a[i - 1] !== b[j - 1]);
      row[j] = Math.min(rows[i - 1][j] + 1, row[j - 1] + 1, replaced);
      const swapped = a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      if (swapped) row[j] = Math.min(row[j], rows[i - 2][j - 2] + 1);
    }
    rows.push(row);
  }
  return rows[a.length][b.length];
}

/** The option that was probably meant, if there is one. */
function nearest(key: string, known: readonly string[]): string | undefined {
  const asked = key.toLowerCase();
  // A long name would take long to compare, and is no slip of the finger.
  if (asked.length < 2 || asked.length > 40) return undefined;
  const called = known.find((name) => SYNONYMS[name]?.includes(asked));
  if (called !== undefined) return called;
  const distances = known.map((name) => {
    const bare = name.toLowerCase();
    const isPart = asked.length > 2 && (bare.startsWith(asked) || asked === `on${bare}`);
    return isPart ? 0 : editDistance(asked, bare);
  });
  const least = Math.min(...distances);
  return least <= Math.max(1, asked.length / 4) ? known[distances.indexOf(least)] : undefined;
}

/** Refuses everything but an object, and options that do not exist. */
export function options(value: unknown, name: string, known: readonly string[]): void {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new TypeError(`${name} must be an object, not ${show(value)}`);
  }
  for (const key of Object.keys(value)) {
    if (!known.includes(key)) {
      const meant = nearest(key, known);
      const hint = meant === undefined ? "" : ` (did you mean "${meant}"?)`;
      throw new TypeError(
        `${name} has no option ${show(key)}${hint}; it takes ${known.join(", ")}`,
      );
    }
  }
}

/** Refuses everything but functions with these names. */
export function handlers(value: object | undefined, known: readonly string[]): void {
  if (value === undefined) return;
  options(value, "handlers", known);
  for (const [name, handler] of Object.entries(value)) {
    if (typeof handler !== "function" && handler !== undefined) {
      throw new TypeError(`handlers.${name} must be a function, not ${show(handler)}`);
    }
  }
}

/** Largest unsigned 32-bit integer. */
export const U32 = 0xFFFFFFFF;
