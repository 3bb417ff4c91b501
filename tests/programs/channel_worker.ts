/**
 * A worker that joins the channel it is sent, and does what the first part of `workerData` says: `echo`
 * messages until the channel ends, or send a `flood` of its own.
 */
import { parentPort, workerData } from "node:worker_threads";
import { Channel, type ChannelRemote } from "../../lib/channel/mod.ts";

const remote = await new Promise<ChannelRemote>((resolve) => parentPort?.once("message", resolve));
switch (workerData as string) {
  case "echo": {
    const channel: Channel = await Channel.join(remote, {
      handlers: {
        receive: (view) => void channel.send(view),
        close: () => parentPort?.postMessage("closed"),
      },
    });
    break;
  }
  case "iterate": {
    const channel = await Channel.join(remote);
    for await (const bytes of channel) if (!channel.send(bytes)) await channel.drain();
    parentPort?.postMessage("closed");
    break;
  }
  case "flood": {
    const channel = await Channel.join(remote);
    for (let n = 0;; n++) if (!channel.send(new Uint8Array(n % 3000))) await channel.drain();
  }
}
