/**
 * Two hosts of one process that keep a message going to and fro, until the program ends in the way
 * its argument names. Prints `ready` when traffic flows.
 */
import process from "node:process";
import { Host } from "../../mod.ts";

const way = process.argv[2];
const WARM_UP = 50;
let count = 0;

function act(): void {
  switch (way) {
    case "close":
      void Promise.all([client.close(), server.close()]);
      break;
    case "dispose":
      client[Symbol.dispose]();
      server[Symbol.dispose]();
      break;
    case "unref":
      client.unref();
      server.unref();
      break;
    case "exit":
      setTimeout(() => process.exit(7), 0);
      break;
    case "exit in a handler":
      process.exit(7);
      break;
    case "throw":
      setTimeout(() => {
        throw new Error("thrown on purpose");
      }, 0);
      break;
    case "reject":
      void Promise.reject(new Error("rejected on purpose"));
      break;
  }
}

const server = await Host.listen({ hostname: "127.0.0.1" }, {
  receive: (peer, channelId, packet) => void peer.send(channelId, packet),
});
const client = await Host.create({}, {
  receive: (peer, channelId, packet) => {
    if (++count === WARM_UP) {
      console.log("ready");
      act();
    }
    if (!client.closed && peer.state === "connected") peer.send(channelId, packet);
  },
});
const peer = await client.connect(server.address);
peer.send(0, "ball");
