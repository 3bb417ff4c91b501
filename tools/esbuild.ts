/**
 * esbuild, which writes syntax that Node 22 lacks in syntax that it has: `using`.
 *
 * @module
 */
import { installNpm } from "./others.ts";

/** The version that is installed. */
const VERSION = "0.28.2";

/** The oldest Node whose syntax is written. */
export const TARGET = "node22";

/** Installs esbuild where it is missing, and returns its folder. */
export const setupEsbuild = (): Promise<string> => installNpm("esbuild", VERSION);
