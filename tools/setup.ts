/**
 * Finds what building and testing need, and installs what is missing, or says how to.
 *
 * @module
 */

import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import process from "node:process";
import { capture, fail, print, root, run } from "./_run.ts";
import { chromium, isDebian } from "./chromium.ts";
import { setupDependencies } from "./dependencies.ts";

/** The oldest runtimes that the tests are known to pass on; `engines` says so. Older Node takes koffi. */
export const minimum = { deno: "2.9.4", bun: "1.4.0", node: "22.18.0" } as const;

/** The oldest that the ordinary tests run on: on Node those with `node:ffi`. */
const wanted = { ...minimum, node: "26.10.0" } as const;

/** A runtime's name. */
export type Runtime = keyof typeof minimum;

/** The command by which each runtime prints the path of its executable. */
export const ask: Readonly<Record<Runtime, readonly string[]>> = {
  deno: ["eval", "-p", "process.execPath"],
  bun: ["-p", "process.execPath"],
  node: ["-p", "process.execPath"],
};

const cacheFile = `${root}/.cache/runtimes.json`;

function isAtLeast(version: string, wanted: string): boolean {
  const [a, b] = [version, wanted].map((v) => v.split(".").map(Number));
  const i = a.findIndex((part, i) => part !== b[i]);
  return i === -1 || a[i] > b[i];
}

function versionOf(path: string): string {
  return capture([path, "--version"])?.match(/\d+\.\d+\.\d+/)?.[0] ?? "0.0.0";
}

function find(name: Runtime): string {
  const spec = name === "node" ? "node@26" : name;
  const seen: string[] = [];
  for (const launcher of [[name], ["npx", "-y", spec]]) {
    const path = capture([...launcher, ...ask[name]]);
    if (path === undefined) continue;
    const version = versionOf(path);
    if (isAtLeast(version, wanted[name])) return path;
    seen.push(`${version} at ${path}`);
  }
  throw new Error(
    `${name} ${wanted[name]} or newer was found neither in PATH nor through "npx -y ${spec}"` +
      (seen.length > 0 ? `, only ${seen.join(" and ")}` : ""),
  );
}

/**
 * The executables of the three runtimes. Looked up once, then remembered in `.cache/runtimes.json`
 * as long as the files are there. Works on each of the runtimes.
 *
 * @throws {Error} When a runtime cannot be had in a version that is new enough.
 */
export function runtimes(): Record<Runtime, string> {
  const current: Runtime = "deno" in process.versions
    ? "deno"
    : "bun" in process.versions
    ? "bun"
    : "node";
  const known: Partial<Record<Runtime, string>> = existsSync(cacheFile)
    ? JSON.parse(readFileSync(cacheFile, "utf8"))
    : {};
  const found = { ...known };
  for (const name of Object.keys(minimum) as Runtime[]) {
    const path = found[name];
    if (path === undefined || !existsSync(path)) found[name] = find(name);
  }
  const text = JSON.stringify(found, null, 2) + "\n";
  if (text !== JSON.stringify(known, null, 2) + "\n") {
    mkdirSync(`${root}/.cache`, { recursive: true });
    writeFileSync(cacheFile, text);
  }
  // A version that the tests were asked to run on may be another one.
  return { ...found, [current]: process.execPath } as Record<Runtime, string>;
}

/** What the build needs, apart from the runtimes. */
type Part = "C compiler" | "cmake" | "libenet" | "libsodium";

/** The packages for each part, by package manager. */
const packages: Record<string, Record<Part, string>> = {
  "apt-get": {
    "C compiler": "gcc libc6-dev",
    cmake: "cmake make",
    libenet: "libenet-dev pkg-config",
    libsodium: "libsodium-dev",
  },
  dnf: {
    "C compiler": "gcc libasan libubsan libtsan",
    cmake: "cmake make",
    libenet: "enet-devel pkgconf-pkg-config",
    libsodium: "libsodium-devel",
  },
  pacman: {
    "C compiler": "gcc",
    cmake: "cmake make",
    libenet: "enet pkgconf",
    libsodium: "libsodium",
  },
  apk: {
    "C compiler": "gcc musl-dev",
    cmake: "cmake make",
    libenet: "enet-dev pkgconf",
    libsodium: "libsodium-dev",
  },
  brew: { "C compiler": "llvm", cmake: "cmake", libenet: "", libsodium: "libsodium" },
};

/** The arguments that make a package manager install without questions. */
const installArguments: Record<string, string[]> = {
  "apt-get": ["install", "-y", "--no-install-recommends"],
  dnf: ["install", "-y"],
  pacman: ["-S", "--noconfirm", "--needed"],
  apk: ["add"],
  brew: ["install"],
};

/** The C compiler, chosen as cmake chooses it. */
const compiler = process.env.CC ?? "cc";

function compiles(source: string, flags: string[] = []): boolean {
  const output = process.platform === "win32" ? "NUL" : "/dev/null";
  return capture([compiler, "-x", "c", "-", "-o", output, ...flags], source) !== undefined;
}

function missing(): Part[] {
  const parts: Part[] = [];
  const flags = capture(["pkg-config", "--cflags", "--libs", "libenet"])?.split(/\s+/) ??
    ["-lenet"];
  // Elsewhere ENet's sources are built in.
  const linksLibenet = process.platform === "linux";
  if (
    !linksLibenet ||
    !compiles("#include <enet/enet.h>\nint main(void) { return enet_initialize(); }", flags)
  ) {
    if (!compiles("#include <stdio.h>\nint main(void) { return 0; }")) parts.push("C compiler");
    if (linksLibenet) parts.push("libenet");
  }
  if (capture(["cmake", "--version"]) === undefined) parts.push("cmake");
  // Without it everything but encryption works; its tests fail.
  const usesSodium = process.platform === "linux";
  if (usesSodium && !compiles("#include <sodium.h>\nint main(void) { return 0; }")) {
    parts.push("libsodium");
  }
  return parts;
}

async function install(parts: Part[]): Promise<void> {
  const manager = Object.keys(packages).find((name) => capture([name, "--version"]) !== undefined);
  if (manager === undefined || process.platform === "win32") {
    throw new Error(
      `Missing: ${
        parts.join(", ")
      }. Install them with this system's package manager and try again` +
        (process.platform === "win32"
          ? " (MSYS2: pacman -S mingw-w64-ucrt-x86_64-{gcc,cmake,ninja})"
          : ""),
    );
  }
  await installPackages(
    manager,
    parts.flatMap((part) => packages[manager][part].split(" ")),
    parts.join(", "),
  );
}

/**
 * Whether packages of the system may be installed without asking: with `--install`, in CI, and for
 * root, unless that is a user with sudo. So a fresh machine or container sets itself up, and
 * a person's own machine is left alone.
 */
export function mayInstall(): boolean {
  const { CI, SUDO_USER } = process.env;
  return process.argv.includes("--install") || CI === "true" ||
    process.getuid?.() === 0 && !SUDO_USER;
}

/** The command line that installs packages, for the reader. */
export function installLine(manager: string, names: string[]): string {
  const sudo = manager === "brew" || process.getuid?.() === 0 ? [] : ["sudo"];
  return [...sudo, manager, ...installArguments[manager], ...names].join(" ");
}

/**
 * Installs packages with a package manager, as root where that is needed.
 *
 * @param manager The package manager, one of those in `installArguments`.
 * @param names The packages.
 * @param what What is missing, for the reader.
 * @throws {Error} When {@linkcode mayInstall} forbids it, the package manager fails, or it needs root and
 * cannot become root; the message says what to run.
 */
export async function installPackages(
  manager: string,
  names: string[],
  what: string,
): Promise<void> {
  const command = [manager, ...installArguments[manager], ...names];
  const line = installLine(manager, names);
  if (!mayInstall()) {
    throw new Error(
      `Missing: ${what}. This installs it:\n  ${line}\n` +
        "So does this, which looks for all that is needed:\n  npx -y deno task setup",
    );
  }
  const asRoot = manager === "brew" || process.getuid?.() === 0
    ? []
    : capture(["sudo", "-n", "true"]) !== undefined
    ? ["sudo", "-n"]
    : undefined;
  if (asRoot === undefined) {
    throw new Error(
      `Missing: ${what}. Installing needs root; run this and try again:\n  ${line}`,
    );
  }
  print(`Missing: ${what}. Installing: ${names.join(" ")}\n`);
  const runAsRoot = (command: string[]) =>
    run([...asRoot, "env", "DEBIAN_FRONTEND=noninteractive", ...command], { onOutput: print });
  let result = await runAsRoot(command);
  if (!result.ok && manager === "apt-get") {
    print("Refreshing the package lists\n");
    await runAsRoot(["apt-get", "update"]);
    result = await runAsRoot(command);
  }
  if (!result.ok) throw new Error(`"${command.join(" ")}" failed: ${result.ending}`);
}

/**
 * Makes sure that what building needs is there: libenet, a C compiler and cmake.
 *
 * @throws {Error} When something cannot be found or installed; the message says what to do.
 */
export async function setupBuild(): Promise<void> {
  const parts = missing();
  if (parts.length === 0) return;
  await install(parts);
  const left = missing();
  if (left.length > 0) throw new Error(`Installed, but still not usable: ${left.join(", ")}`);
}

/** Installs Chromium where that can be done without asking. A failure is printed, and nothing else happens. */
async function setupChromium(): Promise<void> {
  if (chromium() !== undefined || !isDebian() || !mayInstall()) return;
  try {
    await installPackages("apt-get", ["chromium"], "Chromium, for the tests of pages");
  } catch (error) {
    print(`Without Chromium, the tests of pages are skipped: ${(error as Error).message}\n`);
  }
}

/**
 * Does the same, and finds or installs the runtimes and the npm packages as well.
 *
 * @throws {Error} As {@linkcode setupBuild}.
 */
export async function setup(): Promise<void> {
  await setupBuild();
  if (!existsSync(cacheFile)) print("Looking for Bun and Node\n");
  runtimes();
  await setupDependencies();
  await setupChromium();
}

if (import.meta.main) {
  try {
    await setup();
    const version = capture(["pkg-config", "--modversion", "libenet"]) ?? "";
    print(`libenet ${version}, C compiler and cmake are there\n`);
    for (const [name, path] of Object.entries(runtimes())) print(`${name.padEnd(5)}${path}\n`);
  } catch (error) {
    fail(error);
  }
}
