/**
 * How threads of libenetjs wake this thread.
 *
 * Usually libenetjs makes a pair of sockets, and the runtime takes over one of the two descriptors. On Windows no
 * runtime takes a descriptor of a socket. There this thread listens on the loopback interface, and libenetjs
 * connects.
 *
 * @module
 */
import process from "node:process";
import { listenForWake, type StartWaker } from "./_loopback.ts";
import type { Runtime, Wake } from "./contract.ts";
import { FfiError } from "./errors.ts";

export type { StartWaker };

/** By which of the two ways. */
export type WakeKind = "descriptor" | "portable";

/**
 * The way that this system has, or that `ENETJS_WAKE` asks for.
 *
 * @throws {FfiError} `ENETJS_ERR_FFI_VALUE` for a value that names none
 */
export function wakeKindOf(runtime: Runtime): WakeKind {
  const asked = runtime.env("ENETJS_WAKE") ?? "";
  if (asked === "") return process.platform === "win32" ? "portable" : "descriptor";
  if (asked === "portable") return asked;
  throw new FfiError(
    "ENETJS_ERR_FFI_VALUE",
    `ENETJS_WAKE=${asked}: it can only be "portable", or unset`,
    { value: asked },
  );
}

const NO_SECRET = new Uint8Array(new ArrayBuffer(1));

/**
 * Starts a thread of libenetjs, and calls a function whenever that thread wakes this one.
 *
 * @param start the native call that starts it
 * @throws What `start` throws, and the runtime's own error
 */
export async function openWake(
  { runtime, wake }: { readonly runtime: Runtime; readonly wake: WakeKind },
  start: StartWaker,
  onWake: () => void,
): Promise<Wake> {
  if (wake === "portable") return await listenForWake(start, onWake);
  return await runtime.attach(start(0, NO_SECRET), onWake);
}
