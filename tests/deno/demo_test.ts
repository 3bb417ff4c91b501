/**
 * The demo ends with a table and status 0, and with status 1 when something differs.
 *
 * @module
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import process from "node:process";
import { test } from "node:test";
import { run, type RunResult } from "../../tools/_run.ts";

function demo(fault = ""): Promise<RunResult> {
  return run([process.execPath, "run", "-A", "examples/demo/main.ts"], {
    env: { NO_COLOR: "1", ENETJS_DEMO_FAULT: fault },
    limitMs: 60_000,
  });
}

/** The row of a runtime in the demo's table, as cells. */
function row(output: string, name: string): string[] {
  const line = output.split("\n").find((line) => line.startsWith(`${name} `));
  assert(line, `no row for ${name} in:\n${output}`);
  return line.split(/ {2,}/);
}

test("The demo verifies every client and ends with status 0", async () => {
  const { ending, output } = await demo();
  assertEquals(ending, "exit 0", output);
  for (const name of ["deno", "bun", "node"]) {
    const [, version, messages, bytes, milliseconds, verified] = row(output, name);
    assertMatch(version, /^\d+\.\d+\.\d+/);
    assert(Number(messages.replaceAll(",", "")) > 10_000, messages);
    assert(Number(bytes.replaceAll(",", "")) > 2 * 8 * 1024 * 1024, bytes);
    assert(Number(milliseconds) > 0, milliseconds);
    assertEquals(verified, "yes");
  }
});

test("The demo notices a flipped bit and ends with status 1", async () => {
  const { ending, output } = await demo("corrupt:bun");
  assertEquals(ending, "exit 1", output);
  assertMatch(output, /bun: SHA-256 of the file at the server: [0-9a-f]{64}, expected/);
  assertEquals(row(output, "bun").at(-1), "NO");
  assertEquals(row(output, "deno").at(-1), "yes");
  assertEquals(row(output, "node").at(-1), "yes");
});

test("The demo ends with status 1 when a client crashes", async () => {
  const { ending, output } = await demo("crash:node");
  assertEquals(ending, "exit 1", output);
  assertMatch(output, /node: ended with SIGKILL after the stage/);
  assertEquals(row(output, "node").at(-1), "NO");
});

test("The demo ends with status 1 when a client hangs", async () => {
  const { ending, output } = await demo("hang:deno");
  assertEquals(ending, "exit 1", output);
  assertMatch(output, /deno: reported nothing for 10 s after the stage/);
  assertEquals(row(output, "deno").at(-1), "NO");
});
