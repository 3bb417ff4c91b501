/**
 * A nats-server for the time of a measurement.
 *
 * @module
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { Program } from "./_program.ts";
import { HOSTNAME } from "./programs/_common.ts";

/** It writes its ports a moment after it has been started. */
const LOOK_EVERY_MS = 10;
const LIMIT_MS = 10_000;

/** A running server. */
export interface Broker extends AsyncDisposable {
  port: number;
}

/** The port in the file that a server has written into its folder, once it has written all of it. */
function portIn(folder: string): number | undefined {
  const [file] = readdirSync(folder);
  if (file === undefined) return undefined;
  try {
    const [url] = JSON.parse(readFileSync(`${folder}/${file}`, "utf8")).nats;
    return Number(new URL(url).port);
  } catch {
    return undefined;
  }
}

/** Starts a server on any free port. */
export async function startNats(path: string): Promise<Broker> {
  await using stack = new AsyncDisposableStack();
  const folder = mkdtempSync(`${tmpdir()}/enetjs-nats-`);
  stack.defer(() => rmSync(folder, { recursive: true }));
  stack.use(new Program([path, "-a", HOSTNAME, "-p", "-1", "--ports_file_dir", folder]));
  const end = performance.now() + LIMIT_MS;
  let port = portIn(folder);
  while (port === undefined) {
    if (performance.now() > end) throw new Error(`${path} has written no port`);
    await sleep(LOOK_EVERY_MS);
    port = portIn(folder);
  }
  const running = stack.move();
  return { port, [Symbol.asyncDispose]: () => running.disposeAsync() };
}
