/**
 * The error when libenetjs could not be loaded: each place looked at, what was wrong there, and one
 * command that corrects it.
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import { platforms, version } from "./_origin.ts";
import type { Runtime } from "./contract.ts";

/** Why a place was of no use. */
export type Cause =
  | "uninstalled"
  | "missing"
  | "platform"
  | "abi"
  | "libenet"
  | "permission"
  | "other";

/** A place where no library could be loaded. */
export interface Miss {
  /** Where: `"ENETJS_LIBRARY=/a/path"`, a path, or `"npm package @enetjs/linux-x64"`. */
  readonly place: string;
  readonly cause: Cause;
  /** What was wrong, in words. */
  readonly problem: string;
}

/** Where libraries were looked for. */
export interface Search {
  readonly runtime: Runtime["name"];
  /** Which kind of place came first. */
  readonly first: "chosen" | "checkout" | "package";
  /** The platform that a package was looked for. */
  readonly platform?: string;
}

/** No library could be loaded. */
export class LoadError extends Error {
  /** `ENETJS_ERR_ABI` if one of another ABI version was found, `ENETJS_ERR_LIBRARY` otherwise. */
  readonly code: "ENETJS_ERR_LIBRARY" | "ENETJS_ERR_ABI";

  constructor(code: LoadError["code"], message: string) {
    super(message);
    this.name = "LoadError";
    this.code = code;
  }
}

/** The library has another ABI version. */
export class AbiMismatch extends Error {}

/** How a runtime's error about a library is recognized, and what precedes its words. */
const CAUSES: readonly (readonly [Cause, RegExp, string])[] = [
  ["permission", /--allow-ffi|Access to this API has been restricted/, "not permitted"],
  [
    "libenet",
    /(^|[ "])libenet\.so\.\d+: cannot open|Library not loaded: .*libenet\.|error loading shared library libenet\./i,
    "libenet is missing beside it and on the system",
  ],
  [
    "missing",
    /cannot open shared object file|no such file|error loading shared library/i,
    "missing, or built for another platform",
  ],
  [
    "platform",
    /wrong ELF class|invalid ELF header|wrong architecture|file too short/i,
    "built for another platform, or not a library",
  ],
];

/** What an error of opening a library at a place means. */
export function missOf(place: string, error: unknown): Miss {
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof AbiMismatch) return { place, cause: "abi", problem: message };
  for (const [cause, pattern, words] of CAUSES) {
    if (pattern.test(message)) return { place, cause, problem: `${words} (${message})` };
  }
  return { place, cause: "other", problem: message };
}

/** How a program adds packages, and how it installs all of its packages again. */
const INSTALL = {
  node: { add: "npm install ", again: "rm -rf node_modules && npm install" },
  bun: { add: "bun add ", again: "rm -rf node_modules && bun install" },
  deno: { add: "deno add npm:", again: "deno install --reload" },
} as const;

/**
 * The folder that `npm/build.ts` has built packages into, if this module runs from there: npm installs
 * a folder as a link, and from where that leads no other package is found. Only a stack tells where
 * a module is after bundlers have moved it.
 */
function builtFolder(): string | undefined {
  const line = new Error().stack?.split("\n").find((line) => line.includes("_load_failure.js"));
  const place = line?.match(/(file:\/\/.*|\/.*|[A-Za-z]:[\\/].*)[\\/]enet[\\/]ffi[\\/]/)?.[1];
  if (place === undefined || !/[\\/]npm[\\/]dist$/.test(place)) return undefined;
  return place.startsWith("file:") ? fileURLToPath(place) : place;
}

function remedy({ runtime, first, platform = "" }: Search, misses: readonly Miss[]): string {
  const has = (cause: Cause) => misses.some((miss) => miss.cause === cause);
  if (has("permission")) return "run the program with --allow-ffi";
  if (first === "chosen") return "unset ENETJS_LIBRARY";
  if (first === "checkout") return `npx -y deno task ${has("libenet") ? "setup" : "build"}`;
  if (platforms.length > 0 && !platforms.includes(platform)) {
    return `there is no package for ${platform}: build libenetjs from a checkout, and set ` +
      "ENETJS_LIBRARY to its path";
  }
  const built = builtFolder();
  if (built !== undefined) {
    const tarballs = ["enet", platform].map((name) => `"${built}/enetjs-${name}-${version}.tgz"`);
    return `${runtime === "bun" ? "bun add" : "npm install"} ${tarballs.join(" ")}`;
  }
  const { add, again } = INSTALL[runtime];
  return has("uninstalled") ? `${add}@enetjs/${platform}@${version}` : again;
}

/** The error of a search that found nothing. */
export function loadFailure(search: Search, misses: readonly Miss[]): LoadError {
  const places = misses.map(({ place, problem }) => `  - ${place}: ${problem}`).join("\n");
  return new LoadError(
    misses.some(({ cause }) => cause === "abi") ? "ENETJS_ERR_ABI" : "ENETJS_ERR_LIBRARY",
    `The native library of @enetjs/enet could not be loaded. Looked at:\n${places}\n` +
      `Remedy: ${remedy(search, misses)}`,
  );
}
