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
}
