/**
 * What Node has whichever way native functions are called there: by its own `node:ffi`, or by koffi.
 *
 * @module
 */
import process from "node:process";
import { setImmediate } from "node:timers";
import { markAsUntransferable } from "node:worker_threads";
import { attachSocket } from "./_socket.ts";
import type { Runtime } from "./contract.ts";

/** The part of an adapter that has nothing to do with native functions. */
type Surroundings = Pick<
  Runtime,
  "name" | "copiesUpTo" | "pin" | "mayListen" | "env" | "later" | "attach" | "onReload"
>;

/** The same for each adapter of Node. */
export const nodeSurroundings: Surroundings = {
  name: "node",
  copiesUpTo: 0,
  pin: markAsUntransferable,
  mayListen: () => Promise.resolve(true),
  env: (name) => process.env[name],
  later: setImmediate,
  attach: attachSocket,
  // `node --watch` starts a new process.
  onReload: () => {},
};
