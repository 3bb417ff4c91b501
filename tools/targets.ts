/**
 * Platforms that a Debian machine with another can build and test for: by a cross compiler, and a program that
 * runs what it makes. ENet is built in on all of them.
 *
 * @module
 */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from "node:fs";
import process from "node:process";
import { capture, root, runOrThrow } from "./_run.ts";
import { installPackages } from "./setup.ts";

/** A platform by the name of its tasks: `deno task test:windows`. */
export type Target = "windows" | "arm64" | "musl";

/** How to build and run programs for a platform. */
export interface TargetTools {
  /** What shows that the tools are there: a program, or a file of the compiler's. */
  readonly needs: readonly string[];
  /** Debian's packages that have them. */
  readonly packages: readonly string[];
  /** The system of the programs, as CMake calls it; it is another than this machine's. */
  readonly system?: string;
  readonly processor?: string;
  readonly compiler: string;
  /** What runs a program. */
  readonly runner: readonly string[];
  readonly suffix: string;
  readonly env: Record<string, string>;
  /** Debian's packages of another architecture, that are unpacked and not installed. */
  readonly foreign?: { readonly architecture: string; readonly packages: readonly string[] };
  /** After this time a test file is killed. */
  readonly limitMs: number;
}

/** Where packages of another architecture are unpacked. */
const foreignFolder = (architecture: string): string => `${root}/.cache/debian-${architecture}`;

/** What each platform takes. */
export const TARGETS: Readonly<Record<Target, TargetTools>> = {
  windows: {
    needs: ["x86_64-w64-mingw32-gcc", "wine"],
    packages: ["gcc-mingw-w64-x86-64", "wine", "wine64"],
    system: "Windows",
    processor: "x86_64",
    compiler: "x86_64-w64-mingw32-gcc",
    runner: ["wine"],
    suffix: ".exe",
    env: {
      WINEDEBUG: "-all",
      WINEPREFIX: `${root}/.cache/wine`,
      ENETJS_TESTS_LACK: "libsodium",
    },
    limitMs: 120_000,
  },
  arm64: {
    needs: ["aarch64-linux-gnu-gcc", "qemu-aarch64-static"],
    packages: ["gcc-aarch64-linux-gnu", "libc6-dev-arm64-cross", "qemu-user-static"],
    system: "Linux",
    processor: "aarch64",
    compiler: "aarch64-linux-gnu-gcc",
    runner: ["qemu-aarch64-static"],
    suffix: "",
    env: {
      QEMU_LD_PREFIX: "/usr/aarch64-linux-gnu",
      LD_LIBRARY_PATH: `${foreignFolder("arm64")}/usr/lib/aarch64-linux-gnu`,
    },
    foreign: { architecture: "arm64", packages: ["libsodium23"] },
    limitMs: 300_000,
  },
  musl: {
    needs: ["musl-gcc"],
    packages: ["musl-tools"],
    compiler: "musl-gcc",
    runner: [],
    suffix: "",
    env: { ENETJS_TESTS_LACK: "libsodium" },
    limitMs: 120_000,
  },
};

/** musl's own library, on a machine that has musl-gcc. */
export const muslLibrary = (): string =>
  `/lib/${process.arch === "arm64" ? "aarch64" : "x86_64"}-linux-musl/libc.so`;

/**
 * Downloads packages of another architecture and unpacks them. The system's own lists and packages stay as they
 * are: apt keeps a state of its own for it.
 */
async function unpackForeign(architecture: string, packages: readonly string[]): Promise<void> {
  const folder = foreignFolder(architecture);
  if (existsSync(folder)) return;
  mkdirSync(`${root}/.cache`, { recursive: true });
  const staging = mkdtempSync(`${root}/.cache/installing-`);
  try {
    for (const name of ["state/lists/partial", "cache/archives/partial", "packages", "files"]) {
      mkdirSync(`${staging}/${name}`, { recursive: true });
    }
    const settings = [
      ...[`APT::Architecture=${architecture}`, `APT::Architectures=${architecture}`],
      ...[`Dir::State=${staging}/state`, `Dir::Cache=${staging}/cache`],
      ...["Dir::State::status=/dev/null", "APT::Sandbox::User=root"],
    ].flatMap((setting) => ["-o", setting]);
    const cwd = `${staging}/packages`;
    await runOrThrow(["apt-get", ...settings, "update"]);
    await runOrThrow(["apt-get", ...settings, "download", ...packages], { cwd });
    for (const file of readdirSync(cwd)) {
      await runOrThrow(["dpkg-deb", "-x", `${cwd}/${file}`, `${staging}/files`]);
    }
    renameSync(`${staging}/files`, folder);
  } catch (error) {
    if (!existsSync(folder)) throw error; // Otherwise another download was there first.
  } finally {
    rmSync(staging, { recursive: true, force: true });
  }
}

/**
 * Installs what building and testing for a platform needs.
 *
 * @throws {Error} As {@linkcode installPackages}.
 */
export async function setupTarget(target: Target): Promise<void> {
  const { needs, packages, foreign } = TARGETS[target];
  const missing = () => needs.filter((tool) => capture(["which", tool]) === undefined);
  if (missing().length > 0) await installPackages("apt-get", [...packages], missing().join(", "));
  if (missing().length > 0) {
    throw new Error(`Installed, but still not there: ${missing().join(", ")}`);
  }
  if (foreign) await unpackForeign(foreign.architecture, foreign.packages);
}
