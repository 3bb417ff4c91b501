/** What channels can do with the permissions there are. */
import { Channel } from "../../lib/channel/mod.ts";

await using near = await Channel.open();
await using far = await Channel.join(near.remote!);
near.send("hello");
for await (const bytes of far) {
  console.log(new TextDecoder().decode(bytes));
  break;
}
await Channel.loadPlugin("/nowhere/plugin.so").catch((error) => console.log(error.code));
