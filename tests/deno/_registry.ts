/**
 * A registry of npm for the tests of the packages: verdaccio on this machine, which knows nothing
 * but what is published to it.
 *
 * @module
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { runOrThrow } from "../../tools/_run.ts";
import { installNpm } from "../../tools/others.ts";
import { spawnRuntime } from "../_helpers.ts";

const VERDACCIO = "6.10.4";

/** What verdaccio asks for by a tag that not every registry has. */
const OVERRIDES = { "node-fetch": "2.7.0" };

/** A running registry. */
export interface Registry extends AsyncDisposable {
  /** What makes npm, Bun and Deno use it, and nothing that they have kept from elsewhere. */
  readonly env: Record<string, string>;
  /** Publishes the package in a folder. */
  publish(folder: string): Promise<void>;
}

/** Starts a registry; it is gone with all it holds when it is disposed of. */
export async function startRegistry(): Promise<Registry> {
  const verdaccio = await installNpm("verdaccio", VERDACCIO, OVERRIDES);
  const manifest = JSON.parse(readFileSync(`${verdaccio}/package.json`, "utf8"));
  await using stack = new AsyncDisposableStack();
  const folder = mkdtempSync(`${tmpdir()}/enetjs-registry-`);
  stack.defer(() => rmSync(folder, { recursive: true, force: true }));
  const configuration = `${folder}/config.yaml`;
  writeFileSync(
    configuration,
    `storage: ${folder}/storage
uplinks: {}
packages: { "**": { access: $all, publish: $anonymous } }
web: { enable: false }
log: { type: stdout, level: fatal }
`,
  );
  const args = [`${verdaccio}/${manifest.main}`, configuration];
  const program = stack.use(spawnRuntime("node", "registry.ts", args));
  const host = `//127.0.0.1:${await program.line("port ")}/`;
  writeFileSync(`${folder}/npmrc`, `registry=http:${host}\n${host}:_authToken=anybody\n`);
  const npm = {
    USERCONFIG: `${folder}/npmrc`,
    REGISTRY: `http:${host}`,
    CACHE: `${folder}/npm`,
    AUDIT: "false",
    FUND: "false",
  };
  const env = {
    // npm takes variables in either case, and npx sets some for what it runs.
    ...Object.fromEntries(
      Object.entries(npm).map(([name, value]) => [`NPM_CONFIG_${name}`, value]),
    ),
    ...Object.fromEntries(
      Object.entries(npm).map(([name, value]) => [`npm_config_${name.toLowerCase()}`, value]),
    ),
    BUN_INSTALL_CACHE_DIR: `${folder}/bun`,
  };
  const resources = stack.move();
  return {
    env,
    async publish(path) {
      await runOrThrow(["npm", "publish", path], { env });
      const { name } = JSON.parse(readFileSync(`${path}/package.json`, "utf8"));
      backdate(`${folder}/storage/${name}/package.json`);
    },
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  };
}

/** Makes a package look older than the day that Deno waits before it takes a new one. */
function backdate(path: string): void {
  const packument = JSON.parse(readFileSync(path, "utf8"));
  for (const key of Object.keys(packument.time)) packument.time[key] = "2026-01-01T00:00:00.000Z";
  writeFileSync(path, JSON.stringify(packument));
}
