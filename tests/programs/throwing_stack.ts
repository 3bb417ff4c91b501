/**
 * Throws in a function of the program's own that a handler calls: one of a host, or with the argument
 * `channel` of a channel.
 */
import process from "node:process";
import { Host } from "../../mod.ts";
import { Channel } from "../../lib/channel/mod.ts";

function parsePosition(text: string): void {
  throw new RangeError(`bad position ${text}`);
}

function onMessage(text: string): void {
  parsePosition(text);
}

if (process.argv[2] === "channel") {
  const near = await Channel.open();
  await Channel.join(near.remote!, {
    handlers: { receive: (view) => onMessage(new TextDecoder().decode(view)) },
  });
  near.send("x");
} else {
  const server = await Host.listen({ hostname: "127.0.0.1" }, {
    receive: (_peer, _channelId, packet) => onMessage(packet.text()),
  });
  const client = await Host.create();
  const peer = await client.connect(server.address);
  peer.send(0, "x");
}
