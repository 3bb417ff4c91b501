/** Begins captures: the file is opened here once, so that its errors are the system's, and then by native code. */
import { closeSync, constants, openSync } from "node:fs";
import { Capture, type CapturePlan } from "../capture.ts";
import { check, ENetError } from "../errors.ts";
import type { Endpoint } from "./endpoint.ts";

/** The flags with which native code opens it, but nothing is lost yet. A pipe that nobody reads is an error. */
const FLAGS = constants.O_WRONLY | constants.O_CREAT | constants.O_APPEND |
  (constants.O_NONBLOCK ?? 0);
const OWNER_ONLY = 0o600;

/** Has the system, and Deno's permissions, say whether the file may be written. */
function tryToOpen(path: string): void {
  try {
    closeSync(openSync(path, FLAGS, OWNER_ONLY));
  } catch (cause) {
    throw new ENetError("ENETJS_ERR_FILE", `Capturing to ${path}: ${(cause as Error).message}`, {
      cause,
    });
  }
}

/** Begins a capture of an open host. */
export function startCapture(
  { native, handle }: Pick<Endpoint, "native" | "handle">,
  { path, plain, maximumBytes, files }: CapturePlan,
): Capture {
  tryToOpen(path);
  const bytes = new TextEncoder().encode(path);
  const capture = check(
    native.enetjs_host_capture(handle, bytes, bytes.length, plain ? 1 : 0, maximumBytes, files),
    `Capturing to ${path}`,
  );
  return new Capture(path, {
    state: (out) => native.enetjs_capture_state(capture, out, out.length) === 0,
    end: () => void native.enetjs_host_end_capture(handle, capture),
  });
}
