/**
 * The commands of `enet`.
 *
 * @module
 */
import type { Command } from "./frame/command.ts";
import { gateway } from "./gateway/command.ts";
import { keygen } from "./keygen/command.ts";
import { token } from "./token/command.ts";
import { top } from "./top/command.ts";

/** All commands, in the order of the help. */
export const COMMANDS: readonly Command[] = [gateway, keygen, token, top];
