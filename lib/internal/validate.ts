/** Checks of arguments; every message carries the value. */

/** A value as it appears in a message. */
export function show(value: unknown): string {
  if (typeof value === "string") {
    return JSON.stringify(value.length > 80 ? `${value.slice(0, 80)}…` : value);
  }
  if (typeof value === "bigint") return `${value}n`;
  if (Array.isArray(value)) return `an array of ${value.length}`;
  if (typeof value === "function") return "a function";
  if (typeof value === "object" && value !== null) {
    return `an object (${String(value.constructor?.name ?? "no prototype")})`;
  }
  return String(value);
}

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

/** Refuses everything but an object, and options that do not exist. */
export function options(value: unknown, name: string, known: readonly string[]): void {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new TypeError(`${name} must be an object, not ${show(value)}`);
  }
  for (const key of Object.keys(value)) {
    if (!known.includes(key)) {
      throw new TypeError(`${name} has no option "${key}"; it takes ${known.join(", ")}`);
    }
  }
}

/** Largest unsigned 32-bit integer. */
export const U32 = 0xFFFFFFFF;
