/**
 * One side of a conversation, told what to do by lines on its stdin: `block <ms>` blocks JavaScript
 * that long, `send <first> <count>` sends numbered messages and waits for their delivery,
 * `report <n>` tells how things stand, `end`. What happens is reported on stdout.
 *
 * Arguments: the port to connect to (none to listen) and what `Peer.timeout` takes, as JSON.
 */
import process from "node:process";
import { createInterface } from "node:readline";
import {
  Host,
  type HostHandlers,
  type HostStats,
  type Peer,
  type TimeoutOptions,
} from "../../mod.ts";
import { block } from "../_helpers.ts";

/** What it says of itself; `next` is the number of the next message. */
export type Report = Pick<HostStats, "pumpServices"> & Pick<Peer, "state"> & {
  readonly next: number;
};

const port = Number(process.argv[2]);
const timeouts = JSON.parse(process.argv[3]) as TimeoutOptions;
let remote: Peer | undefined;
let next = 0;

const handlers: HostHandlers = {
  connect(peer) {
    remote = peer;
    peer.timeout(timeouts);
    console.log("connected");
  },
  receive(_peer, _channelId, { view }) {
    const number = new DataView(view.buffer, view.byteOffset, view.byteLength).getUint32(0);
    if (number !== next) console.log(`disorder: ${number} in place of ${next}`);
    next = number + 1;
  },
  disconnect: (_peer, reason) => console.log(`disconnected ${reason}`),
};
const host = port === 0
  ? await Host.listen({ hostname: "127.0.0.1" }, handlers)
  : await Host.create({}, handlers);
if (port !== 0) await host.connect({ hostname: "127.0.0.1", port });
else console.log(`port ${host.address.port}`);

for await (const line of createInterface({ input: process.stdin })) {
  const [command, ...numbers] = line.split(" ");
  const [first, count] = numbers.map(Number);
  if (command === "end") break;
  if (command === "block") {
    console.log(`blocking ${first}`);
    block(first);
    console.log(`blocked ${first}`);
  }
  if (command === "send") {
    const message = new DataView(new ArrayBuffer(100));
    for (let number = first; number < first + count - 1; number++) {
      message.setUint32(0, number);
      if (!remote!.send(0, message)) await remote!.drain();
    }
    message.setUint32(0, first + count - 1);
    await remote!.deliver(0, message);
    console.log(`sent ${first} ${count}`);
  }
  if (command === "report") {
    const { pumpServices } = host.stats;
    const report: Report = { next, pumpServices, state: remote!.state };
    console.log(`report ${first} ${JSON.stringify(report)}`);
  }
}
process.stdin.destroy();
await host.close();
