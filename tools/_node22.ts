/**
 * Loaded before each program on a Node without `using`, by `NODE_OPTIONS`: has esbuild write `using` in older syntax,
 * and adds the classes that belong to it. What was written is kept in `.cache/node22`.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { createRequire, registerHooks } from "node:module";
import process from "node:process";
import { fileURLToPath } from "node:url";

const { esbuild, coreJs, target } = JSON.parse(process.env.ENETJS_NODE22!);
const require = createRequire(import.meta.url);
const cache = fileURLToPath(new URL("../.cache/node22/", import.meta.url));

for (const name of ["disposable-stack", "async-disposable-stack"]) {
  require(`${coreJs}/actual/${name}`);
}

/** The file in older syntax. The cache is written in one step, because tests run side by side. */
function lowered(path: string, source: string): string {
  const file = `${cache}${createHash("sha256").update(source).digest("hex")}.js`;
  if (existsSync(file)) return readFileSync(file, "utf8");
  const options = { loader: "ts", target, sourcefile: path, sourcemap: "inline" };
  const { code } = require(esbuild).transformSync(source, options);
  mkdirSync(cache, { recursive: true });
  writeFileSync(`${file}.${process.pid}`, code);
  renameSync(`${file}.${process.pid}`, file);
  return code;
}

registerHooks({
  load(url, context, next) {
    if (url.startsWith("file:") && url.endsWith(".ts")) {
      const path = fileURLToPath(url);
      const source = readFileSync(path, "utf8");
      if (/\busing\s/.test(source)) {
        return { format: "module", source: lowered(path, source), shortCircuit: true };
      }
    }
    return next(url, context);
  },
});
