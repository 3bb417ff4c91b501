/**
 * The commands in `docs/debugging.md` that stop in a native function do so on each runtime, where
 * there is a gdb that may trace.
 *
 * @module
 */
import { assertEquals, assertMatch } from "@std/assert";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { capture, root, run } from "../../tools/_run.ts";
import { build } from "../../tools/build.ts";
import { runtimes } from "../../tools/setup.ts";

const page = readFileSync(`${root}/docs/debugging.md`, "utf8").replaceAll("\\\n", "");
const commands = [...page.matchAll(/^gdb (.*enetjs_host_create.*) --args (\$\w+) (.*)$/gm)];

const canTrace =
  capture(["gdb", "-q", "-batch", "-ex", "run", "true"])?.includes("exited normally") ?? false;
const skip = canTrace ? false : "there is no gdb here that may trace";

test("The page has a command for each runtime", () => {
  assertEquals(commands.map(([, , name]) => name), ["$DENO", "$BUN", "$NODE"]);
});

for (const [, options, name, args] of commands) {
  test(`gdb stops in a native function under ${name}`, { skip }, async () => {
    const { [name.slice(1).toLowerCase() as "deno"]: path } = runtimes();
    const command = `gdb -q -batch ${options} -ex 'bt 1' --args "${path}" ${args}`;
    const env = { ENETJS_LIBRARY: `${await build()}/libenetjs.so` };
    const { output } = await run(["sh", "-c", command], { env, limitMs: 60_000 });
    assertMatch(output, /^#0 .*\benetjs_host_create \(/m);
  });
}
