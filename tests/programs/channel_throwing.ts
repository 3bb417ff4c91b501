/** A handler that throws; prints what the runtime catches, and what comes after. */
import process from "node:process";
import { Channel } from "../../lib/channel/mod.ts";

process.on("uncaughtException", (error) => console.log("caught:", error.message));
const near = await Channel.open();
const far = await Channel.join(near.remote!, {
  handlers: {
    receive(view) {
      const text = new TextDecoder().decode(view);
      if (text === "throw") throw new Error("thrown on purpose");
      setTimeout(() => {
        console.log("received:", text);
        void near.close();
        void far.close();
      }, 20);
    },
  },
});
near.send("throw");
near.send("next");
