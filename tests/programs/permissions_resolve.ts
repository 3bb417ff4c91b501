/** Connects to a host name, again and again, where that may not be resolved; prints the error. */
import { type ENetError, Host } from "../../mod.ts";

await using client = await Host.create();
try {
  await client.connect("game.test:7777", { retry: { minimumMs: 1 } });
} catch (error) {
  const { code, message } = error as ENetError;
  console.log(code, message);
}
