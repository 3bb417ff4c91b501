/** The names of shared ports: four random words, which native code makes, in hexadecimal digits. */
import { show } from "./validate.ts";

const WORDS = 4;
/** Native code takes four zeros for no name. */
const PATTERN = /^enetjs-(?!0{32})[0-9a-f]{32}$/;

/** The name as text. */
export function formatPortName(words: Float64Array): string {
  return `enetjs-${[...words].map((word) => word.toString(16).padStart(8, "0")).join("")}`;
}

/** The words of a name. */
export function parsePortName(name: string): number[] {
  return Array.from({ length: WORDS }, (_, i) => parseInt(name.slice(7 + 8 * i, 15 + 8 * i), 16));
}

/** Refuses everything but the name of a shared port, or nothing. */
export function validatePortName(value: unknown, name: string): string | undefined {
  if (value === undefined || typeof value === "string" && PATTERN.test(value)) return value;
  throw new TypeError(`${name} must be the name of a SharedPort, port.name, not ${show(value)}`);
}
