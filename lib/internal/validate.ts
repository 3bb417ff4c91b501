/** Checks of arguments; every message carries the value. */
import { nearest } from "../../ffi/_nearest.ts";
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

/** Refuses everything but an object, and options that do not exist. */
export function options(value: unknown, name: string, known: readonly string[]): void {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new TypeError(`${name} must be an object, not ${show(value)}`);
  }
  for (const key of Object.keys(value)) {
    if (!known.includes(key)) {
      const meant = nearest(key, known, SYNONYMS);
      const hint = meant === undefined ? "" : ` (did you mean "${meant}"?)`;
      throw new TypeError(
        `${name} has no option ${show(key)}${hint}; it takes ${known.join(", ")}`,
      );
    }
  }
}

/** Refuses everything but a function or nothing. */
export function optionalFunction(value: unknown, name: string): void {
  if (value !== undefined && typeof value !== "function") {
    throw new TypeError(`${name} must be a function, not ${show(value)}`);
  }
}

/** Refuses everything but a signal or nothing, as the option `signal`. */
export function abortSignal(signal: unknown): AbortSignal | undefined {
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw new TypeError(`signal must be an AbortSignal, not ${show(signal)}`);
  }
  return signal;
}

/** Refuses everything but functions with these names. */
export function handlers(value: object | undefined, known: readonly string[]): void {
  if (value === undefined) return;
  options(value, "handlers", known);
  for (const [name, handler] of Object.entries(value)) {
    optionalFunction(handler, `handlers.${name}`);
  }
}

/** Largest unsigned 32-bit integer. */
export const U32 = 0xFFFFFFFF;
