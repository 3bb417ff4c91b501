/** Throws in a function of the program's own that a handler of a channel calls. */
import { Channel } from "../../lib/channel/mod.ts";

function parsePosition(text: string): void {
  throw new RangeError(`bad position ${text}`);
}

const near = await Channel.open();
await Channel.join(near.remote!, {
  handlers: {
    receive: function onMessage(view) {
      parsePosition(new TextDecoder().decode(view));
    },
  },
});
near.send("x");
