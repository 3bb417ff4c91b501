/**
 * The tests of the sources, on the built npm package: on Node, and on Bun. In a folder of their own
 * `mod.ts` is the package.
 *
 * @module
 */
import { assert } from "@std/assert";
import { cpSync, mkdirSync, writeFileSync } from "node:fs";
import { after, test } from "node:test";
import { buildMain, buildPlatform } from "../../npm/build.ts";
import { root, run } from "../../tools/_run.ts";
import { runtimes } from "../../tools/setup.ts";
import { temporaryFolder } from "./_installed.ts";

/** The files that try everything a user can do; the others take long, or look inside. */
const FILES = [
  ...["host", "host_connect", "host_service", "host_settings"],
  ...["peer", "peer_send", "peer_disconnect", "handlers", "datagram"],
].map((name) => `tests/lib/${name}_test.ts`);

const stack = new AsyncDisposableStack();
after(() => stack.disposeAsync());

const folder = temporaryFolder(stack);
const packages = `${folder}/node_modules/@enetjs`;
mkdirSync(packages, { recursive: true });
await buildMain(packages);
await buildPlatform(packages);
for (const part of ["tests", "tools"]) {
  cpSync(`${root}/${part}`, `${folder}/${part}`, { recursive: true });
}
writeFileSync(`${folder}/mod.ts`, 'export * from "@enetjs/enet";\n');
writeFileSync(`${folder}/package.json`, '{ "type": "module" }\n');

const { bun, node } = runtimes();
mkdirSync(`${folder}/.cache`);
cpSync(`${root}/.cache/runtimes.json`, `${folder}/.cache/runtimes.json`); // Or they look for these.

const commands = {
  bun: [bun, "test", "--timeout=300000", ...FILES.map((file) => `${folder}/${file}`)],
  node: [node, "--disable-warning=ExperimentalWarning", "--test", "--test-concurrency=1", ...FILES],
};

for (const [name, command] of Object.entries(commands)) {
  test(`What is tested on ${name} is the npm package`, async () => {
    const { output } = await run([command[0], "tests/programs/load.ts"], { cwd: folder });
    const { library } = JSON.parse(output.match(/^{.*}$/m)![0]);
    assert(library.startsWith(`${packages}/`), output);
  });

  test(`The conformance tests pass on ${name} with the npm package`, async () => {
    const { ok, ending, output } = await run(command, { cwd: folder, limitMs: 120_000 });
    assert(ok, `${ending}\n${output}`);
    const passed = output.match(/^\s*(?:ℹ pass (\d+)|(\d+) pass)$/m);
    assert(Number(passed?.[1] ?? passed?.[2]) > 100, output);
  });
}
