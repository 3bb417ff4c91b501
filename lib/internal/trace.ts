/** Captures of every host, asked for by the environment: `ENETJS_TRACE=file.pcapng`. */
import { extname } from "node:path";
import { planCapture } from "../capture.ts";
import { ENetError } from "../errors.ts";
import { startCapture } from "./captures.ts";
import type { Endpoint } from "./endpoint.ts";

/** Hosts whose traces can be told apart: `trace.pcapng`, `trace-2.pcapng`, and so on. */
const MAXIMUM_TRACES = 100;

function numbered(path: string, number: number): string {
  const extension = extname(path);
  const stem = path.slice(0, path.length - extension.length);
  return number === 1 ? path : `${stem}-${number}${extension}`;
}

/** Begins the capture under the first name that no other host has, in this process or in another. */
function startNumbered(endpoint: Endpoint, path: string, plain: boolean): void {
  for (let number = 1;; number++) {
    try {
      return void startCapture(endpoint, planCapture(numbered(path, number), { plain }));
    } catch (error) {
      const isTaken = error instanceof ENetError && error.code === "ENETJS_ERR_FILE_IN_USE";
      if (!isTaken || number === MAXIMUM_TRACES) throw error;
    }
  }
}

/** Captures a host where the environment says so. A fault of the file is reported, and the host goes on. */
export function traceHost(endpoint: Endpoint): void {
  const { runtime } = endpoint.library;
  const path = runtime.env("ENETJS_TRACE");
  if (path === undefined || path === "") return;
  try {
    startNumbered(endpoint, path, runtime.env("ENETJS_TRACE_PLAIN") === "1");
  } catch (error) {
    console.warn(`ENETJS_TRACE: ${(error as Error).message}`);
  }
}
