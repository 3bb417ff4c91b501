/** Handlers of messaging that throw: the errors are uncaught ones, and everything goes on. */
import process from "node:process";
import { Messenger } from "../../lib/messaging/mod.ts";

process.on("uncaughtException", (error) => console.log("uncaught", error.message));
// Deno has its own event.
globalThis.addEventListener?.("error", (event) => {
  event.preventDefault();
  console.log("uncaught", (event as ErrorEvent).error.message);
});

const listener = await Messenger.listen("udp://127.0.0.1:0", {}, {
  ready() {
    throw new Error("thrown by ready");
  },
  message() {
    throw new Error("thrown by message");
  },
  request: () => "still here",
  closed() {
    throw new Error("thrown by closed");
  },
});
const client = await Messenger.connect(`udp://127.0.0.1:${listener.address.port}`);
client.send("x");
console.log("reply", (await client.get()).text());
await client.close();
await listener.close();
