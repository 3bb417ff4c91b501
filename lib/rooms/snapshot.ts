import type { Change } from "./presence_message.ts";

/** All members of a host at one version, while its parts come in. */
export class Snapshot {
  readonly version: number;
  readonly #parts: (readonly Change[] | undefined)[];
  #missing: number;

  constructor(version: number, parts: number) {
    this.version = version;
    this.#parts = Array.from({ length: parts });
    this.#missing = parts;
  }

  /** Adds a part. @returns all changes once there are all parts */
  add(part: number, parts: number, changes: readonly Change[]): Change[] | undefined {
    if (parts !== this.#parts.length || this.#parts[part] !== undefined) return undefined;
    this.#parts[part] = changes;
    if (--this.#missing > 0) return undefined;
    return this.#parts.flatMap((all) => all ?? []);
  }
}
