/** A handler that throws. Prints what the runtime catches, and the message that comes after it. */
import process from "node:process";
import { Channel } from "../../lib/channel/mod.ts";

const caught = Promise.withResolvers<string>();
const received = Promise.withResolvers<string>();
process.on("uncaughtException", (error) => caught.resolve(error.message));
const near = await Channel.open();
const far = await Channel.join(near.remote!, {
  handlers: {
    receive(view) {
      const text = new TextDecoder().decode(view);
      if (text === "throw") throw new Error("thrown on purpose");
      received.resolve(text);
    },
  },
});
near.send("throw");
near.send("next");
console.log("caught:", await caught.promise);
console.log("received:", await received.promise);
await near.close();
await far.close();
