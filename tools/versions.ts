/**
 * Versions of runtimes that the tests can be asked to run on, as `node@24` or `bun@1.3.0`. npm has them all.
 *
 * @module
 */
import { pathToFileURL } from "node:url";
import { capture, root } from "./_run.ts";
import { setupEsbuild, TARGET } from "./esbuild.ts";
import { installNpm } from "./others.ts";
import { ask, type Runtime } from "./setup.ts";

/** A version of a runtime. */
export interface Version {
  readonly runtime: Runtime;
  /** What npm calls it. */
  readonly spec: string;
}

/** How to run it. */
export interface Installed {
  readonly executable: string;
  /** What its environment needs, and that of programs that the tests start. */
  readonly env: Record<string, string>;
}

/** What stands in on Node 22 for what the tests use of newer ones. */
const CORE_JS = "3.51.0";

/** The version that an argument names, if it names one. */
export function versionOf(argument: string): Version | undefined {
  const runtime = argument.match(/^(deno|bun|node)@[\w.-]+$/)?.[1];
  return runtime === undefined ? undefined : { runtime: runtime as Runtime, spec: argument };
}

/** Node 22 has no `using`. Before each file is loaded there, tools/_node22.ts replaces it. */
async function olderNode(): Promise<Record<string, string>> {
  const esbuild = await setupEsbuild();
  const coreJs = await installNpm("core-js", CORE_JS);
  return {
    NODE_OPTIONS: `--import=${pathToFileURL(`${root}/tools/_node22.ts`)}`,
    ENETJS_NODE22: JSON.stringify({ esbuild, coreJs, target: TARGET }),
  };
}

/**
 * Gets a version by npx.
 *
 * @throws {Error} When npm has no such version, or it does not run here.
 */
export async function install({ runtime, spec }: Version): Promise<Installed> {
  const executable = capture(["npx", "-y", spec, ...ask[runtime]]);
  if (executable === undefined) throw new Error(`"npx -y ${spec}" does not run`);
  const hasUsing = runtime !== "node" ||
    capture([executable, "-e", "{ using x = null }"]) !== undefined;
  return { executable, env: hasUsing ? {} : await olderNode() };
}
