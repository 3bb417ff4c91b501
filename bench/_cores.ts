/**
 * Where programs that ask and answer run: each on its half of the cores, or both on one.
 *
 * @module
 */
import { availableParallelism } from "node:os";

const HALF = Math.max(1, availableParallelism() >> 1);

/** What a program does; the other end does the other. */
export type Role = "serve" | "ask";

/** The command that runs a program on the half of the cores that its role has. */
export function acrossCores(role: Role, command: string[]): string[] {
  const first = role === "serve" ? 0 : HALF % availableParallelism();
  return ["taskset", "-c", `${first}-${first + HALF - 1}`, ...command];
}

/** The command that runs a program on the first core. */
export function onOneCore(_role: Role, command: string[]): string[] {
  return ["taskset", "-c", "0", ...command];
}
