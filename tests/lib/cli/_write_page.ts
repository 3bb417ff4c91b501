/**
 * Writes the part of `docs/command-line.md` that is made. `deno task docs` runs it.
 *
 * @module
 */
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import process from "node:process";
import { root } from "../../../tools/_run.ts";
import { madePart, MARK } from "./_page.ts";
import { recordSessions } from "./_sessions.ts";

const path = `${root}/docs/command-line.md`;
const [byHand] = readFileSync(path, "utf8").split(MARK);
writeFileSync(path, byHand + madePart(await recordSessions()));
execFileSync(process.execPath, ["fmt", "--quiet", path]);
