/** A worker with two plugins under load, one of which it never reads; posts `ready` when messages flow. */
import { parentPort, workerData } from "node:worker_threads";
import { Channel } from "../../lib/channel/mod.ts";

const { plugin } = workerData as { plugin: string };
const echo: Channel = await Channel.loadPlugin(plugin, {
  configuration: "echo",
  handlers: {
    receive(view) {
      if (++count === 100) parentPort?.postMessage("ready");
      echo.send(view);
    },
  },
});
const source = await Channel.loadPlugin(plugin, { configuration: "source 5 1000000000" });
let count = 0;
for (let i = 0; i < 20; i++) echo.send(new Uint8Array(20_000 + i));
source.send("anything");
