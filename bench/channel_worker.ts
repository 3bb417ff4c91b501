/**
 * The other end of `channel.ts` as a Worker: over a channel if it is sent one, else by `postMessage`.
 * It understands the commands of `c/channel_plugin.c`.
 *
 * @module
 */
import { parentPort, workerData } from "node:worker_threads";
import { Channel, type ChannelRemote } from "../lib/channel/mod.ts";

const [TAKE, SEND, ECHO] = [1, 2, 3];
const port = parentPort!;
let [what, left, size] = [0, 0, 0];
let send: (bytes: Uint8Array) => Promise<void> | void;

function receive(bytes: Uint8Array): void {
  if (left === 0) {
    [what, left, size] = new Uint32Array(bytes.slice().buffer);
    if (what === SEND) sendAll();
    return;
  }
  left--;
  if (what === ECHO) send(bytes);
  if (what === TAKE && left === 0) send(new Uint8Array(1));
}

async function sendAll(): Promise<void> {
  const message = new Uint8Array(size);
  for (; left > 0; left--) await send(message);
}

if (workerData === "channel") {
  port.once("message", async (remote: ChannelRemote) => {
    const channel = await Channel.join(remote, { handlers: { receive } });
    send = (bytes) => channel.send(bytes) ? undefined : channel.drain();
  });
} else {
  send = (bytes) => port.postMessage(bytes);
  port.on("message", receive);
}
