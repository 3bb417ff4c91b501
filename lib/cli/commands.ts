/**
 * The commands of `enet`.
 *
 * @module
 */
import { bench } from "./bench/command.ts";
import { completionOf } from "./completion/command.ts";
import { connect } from "./connect/command.ts";
import { discover } from "./discover/command.ts";
import type { Command } from "./frame/command.ts";
import { gateway } from "./gateway/command.ts";
import { keygen } from "./keygen/command.ts";
import { load } from "./load/command.ts";
import { ping } from "./ping/command.ts";
import { serve } from "./serve/command.ts";
import { sim } from "./sim/command.ts";
import { sniff } from "./sniff/command.ts";
import { token } from "./token/command.ts";
import { top } from "./top/command.ts";

/** All commands, in the order of the help. */
export const COMMANDS: readonly Command[] = [
  ping,
  serve,
  connect,
  bench,
  load,
  top,
  discover,
  sim,
  sniff,
  gateway,
  keygen,
  token,
  completionOf(() => COMMANDS),
];
