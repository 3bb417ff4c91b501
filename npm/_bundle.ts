/**
 * Bundles the browser's half of the gateway into one module, for pages that have no bundler.
 *
 * @module
 */
import process from "node:process";
import { root, runOrThrow } from "../tools/_run.ts";
import { installNpm } from "../tools/others.ts";

/** It makes the bundle a twentieth smaller than Deno's own minifier leaves it. */
const TERSER = "5.51.4";

/** The module in the sources; the package has the bundle in its place. */
export const BROWSER_MODULE = "lib/gateway/browser/mod";

/**
 * Writes the bundle, minified.
 *
 * @param output the file
 */
export async function bundleBrowserModule(output: string): Promise<void> {
  const flags = ["--platform=browser", "--minify", `--output=${output}`];
  await runOrThrow([process.execPath, "bundle", ...flags, `${root}/${BROWSER_MODULE}.ts`]);
  const terser = await installNpm("terser", TERSER);
  const options = ["--module", "--compress", "ecma=2022,passes=2", "--mangle", "--output", output];
  await runOrThrow(["node", `${terser}/bin/terser`, output, ...options]);
}
