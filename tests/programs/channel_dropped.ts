/** Channels that are dropped without being closed, while their plugins send. Prints what is left. */
import process from "node:process";
import { Channel } from "../../lib/channel/mod.ts";
import { diagnostics } from "../../mod.ts";

const { gc, Bun } = globalThis as {
  gc?: () => void;
  Bun?: { gc(force: boolean): void };
};
const collect = gc ?? (() => Bun!.gc(true));

/** Keeps them until they have been counted. */
const opened: Channel[] = [];

async function open(): Promise<void> {
  const options = { configuration: "source 1 1000000", receiveBytes: 64 };
  const channel = await Channel.loadPlugin(process.argv[2], options);
  channel.send("a message");
  for await (const _ of channel) break;
  opened.push(channel);
}

for (let i = 0; i < 5; i++) await open();
console.log(`${(await diagnostics()).plugins} plugins`);
opened.length = 0;
const end = performance.now() + 15_000;
while ((await diagnostics()).channels > 0 && performance.now() < end) {
  collect();
  await new Promise((resolve) => setTimeout(resolve, 10));
}
const { plugins, channels, channelBytes } = await diagnostics();
console.log(`${plugins} plugins, ${channels} channels, ${channelBytes} bytes`);
