/**
 * Plugins under load, until the program ends in the way its second argument names. Prints `ready` when
 * messages flow.
 */
import process from "node:process";
import { Channel } from "../../lib/channel/mod.ts";

const [plugin, way] = process.argv.slice(2);

function act(): void {
  switch (way) {
    case "close":
      return void Promise.all([echo.close(), source.close()]);
    case "unref":
      echo.unref();
      return source.unref();
    case "exit":
    case "stalled exit":
      return void setTimeout(() => process.exit(7), 0);
    case "throw":
      setTimeout(() => {
        throw new Error("thrown on purpose");
      }, 0);
  }
}

let count = 0;
const source = await Channel.loadPlugin(plugin, { configuration: "source 5 1000000000" });
const echo: Channel = await Channel.loadPlugin(plugin, {
  configuration: way === "stalled exit" ? "stall" : "echo",
  handlers: {
    receive(view) {
      if (++count === 100) {
        console.log("ready");
        act();
        if (way === "stalled exit") echo.send("!");
      }
      if (!echo.closed) echo.send(view);
    },
  },
});
for (let i = 0; i < 20; i++) echo.send(new Uint8Array(20_000 + i));
