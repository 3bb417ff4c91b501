/**
 * The package.json files of the npm packages, derived from `deno.json`.
 *
 * @module
 */
import { readFileSync } from "node:fs";
import process from "node:process";
import config from "../deno.json" with { type: "json" };
import { root } from "../tools/_run.ts";
import { dependencies, peerDependencies, peerDependenciesMeta } from "../tools/dependencies.ts";
import { minimum } from "../tools/setup.ts";
import { type Platform, PLATFORMS } from "./platforms.ts";

/** What goes into a package.json. */
export type Manifest = Readonly<Record<string, unknown>> & {
  readonly name: string;
  readonly version: string;
};

/** The name and version of the main package. */
export const { name, version } = config;

/** The names that the main package exports, and the module of each: `"./ffi"`, `"./ffi/mod.ts"`. */
export const exported: readonly (readonly [string, string])[] = Object.entries(
  typeof config.exports === "string" ? { ".": config.exports } : config.exports,
);

/** The npm package of a platform. */
export const packageName = (platform: Platform): string => `@enetjs/${platform.name}`;

/** What all packages have. Where GitHub Actions builds them, npm wants the repository's address. */
function common(): Record<string, unknown> {
  const { GITHUB_REPOSITORY: repository } = process.env;
  return {
    license: config.license,
    type: "module",
    ...repository && {
      repository: { type: "git", url: `git+https://github.com/${repository}.git` },
    },
  };
}

/** The package.json of the main package. */
export function mainManifest(): Manifest {
  const [, sentence] = readFileSync(`${root}/mod.ts`, "utf8").match(/^\/\*\*\n \* (.*)$/m)!;
  const modules = exported.map(([name, path]) => {
    const module = path.replace(/\.ts$/, "");
    return [name, { types: `${module}.d.ts`, default: `${module}.js` }];
  });
  return {
    name,
    version,
    description: sentence,
    keywords: ["enet", "udp", "networking", "games", "realtime", "deno", "bun", "node"],
    ...common(),
    exports: Object.fromEntries(modules),
    bin: { enet: "lib/cli/main.js" },
    sideEffects: false,
    engines: Object.fromEntries(Object.entries(minimum).map(([name, v]) => [name, `>=${v}`])),
    dependencies,
    peerDependencies,
    peerDependenciesMeta,
    optionalDependencies: Object.fromEntries(PLATFORMS.map((p) => [packageName(p), version])),
  };
}

/** The package.json of a platform package. */
export function platformManifest(platform: Platform): Manifest {
  const { os, cpu, libc } = platform;
  return {
    name: packageName(platform),
    version,
    description: `The native library of ${name} for ${platform.name}`,
    ...common(),
    exports: { ".": { types: "./mod.d.ts", bun: "./bun.js", default: "./mod.js" } },
    os: [os],
    cpu: [cpu],
    ...libc && { libc: [libc] },
  };
}
