#!/usr/bin/env node
/**
 * The program `enet`, as `npx @enetjs/enet`, `bunx @enetjs/enet` and `deno run -A npm:@enetjs/enet/cli` run it. To import
 * it runs nothing.
 *
 * @module
 */
import process from "node:process";
import { run } from "./run.ts";

export type { LoadPeer, Player } from "./load/player.ts";
export { run };

if (import.meta.main) {
  // Node says of its own FFI that it is experimental; standard error is for what concerns the user of this program.
  process.removeAllListeners("warning");
  process.exitCode = await run(process.argv.slice(2));
  // Nothing ends a read of standard input that is under way, which would keep Deno's process alive.
  const { stdin, stdout, stderr } = process;
  if (stdin.readableFlowing !== null && !stdin.readableEnded) {
    await Promise.all([stdout, stderr].map((stream) =>
      new Promise<void>((resolve) => {
        stream.once("error", () => resolve());
        stream.write("", () => resolve());
      })
    ));
    process.exit();
  }
}
