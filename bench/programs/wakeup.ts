/**
 * What one wake-up costs the process: CPU microseconds of its main thread, and of its other threads.
 *
 *     wakeup.ts KIND RATE
 *
 * KIND is `stream` or `buffer`, where standard input is a socket that brings RATE bytes a second: a listener of
 * `data`, or the way in which the library is woken. With `datagram` the runtime's own UDP socket is woken, with
 * `library` a host, by what comes to the printed port.
 */
import dgram from "node:dgram";
import { readdirSync, readFileSync } from "node:fs";
import { Socket } from "node:net";
import process from "node:process";
import { Host } from "../../mod.ts";
import { detectRuntime } from "../../ffi/runtime.ts";
import { HOSTNAME, say } from "./_common.ts";

const WARM_SECONDS = 2;
const SECONDS = 3;

const [kind, rate] = [process.argv[2], Number(process.argv[3])];

/** CPU microseconds of the main thread and of all others since they began. */
function usage(): [number, number] {
  const folder = "/proc/self/task";
  let [main, others] = [0, 0];
  for (const thread of readdirSync(folder)) {
    const ns = Number(readFileSync(`${folder}/${thread}/schedstat`, "utf8").split(" ")[0]);
    if (Number(thread) === process.pid) main += ns / 1000;
    else others += ns / 1000;
  }
  return [main, others];
}

let count = 0;
let before: [number, number] = [0, 0];

function onWake(): void {
  count++;
  if (count === WARM_SECONDS * rate) before = usage();
  if (count < (WARM_SECONDS + SECONDS) * rate) return;
  const after = usage();
  say("main", (after[0] - before[0]) / (SECONDS * rate));
  say("others", (after[1] - before[1]) / (SECONDS * rate));
  process.exit(0);
}

if (kind === "stream") new Socket({ fd: 0, readable: true, writable: false }).on("data", onWake);
else if (kind === "buffer") detectRuntime().attach(0, onWake);
else if (kind === "datagram") {
  const socket = dgram.createSocket("udp4").on("message", onWake);
  socket.bind(0, HOSTNAME, () => say("port", socket.address().port));
} else {
  const host = await Host.listen({ hostname: HOSTNAME, port: 0 }, { receive: onWake });
  say("port", host.address.port);
}
