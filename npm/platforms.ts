/**
 * The platforms that there are packages for. The packages, the dependencies of the main package and the
 * builds of the release workflow are made from this list.
 *
 * @module
 */
import process from "node:process";
import { platformName } from "../ffi/_platform.ts";

/** A platform that there is a package for. */
export interface Platform {
  /** As in the package's name: `@enetjs/linux-x64`. */
  readonly name: string;
  /** What npm calls the system, the processor and the C library. */
  readonly os: "linux" | "darwin" | "win32";
  readonly cpu: "x64" | "arm64";
  readonly libc?: "glibc" | "musl";
  /** The file name of libenetjs. */
  readonly library: string;
  /** That of libsodium, where encryption works. */
  readonly libsodium?: string;
  /** Where the release workflow tests and builds it: a machine of GitHub Actions, and a container on it. */
  readonly runner: string;
  readonly container?: string;
}

/** File names by system. */
const FILES = {
  linux: { library: "libenetjs.so" },
  darwin: { library: "libenetjs.dylib" },
  win32: { library: "enetjs.dll" },
} as const;

type Rest = Omit<Platform, "name" | "os" | "library">;

function platform(os: Platform["os"], rest: Rest): Platform {
  const name = `${os}-${rest.cpu}${rest.libc === "musl" ? "-musl" : ""}`;
  return { name, os, ...FILES[os], ...rest };
}

// What is built with an older glibc also runs on newer ones.
const glibc = {
  libc: "glibc",
  container: "node:26-bookworm",
  libsodium: "libsodium.so.23",
} as const;
const musl = { libc: "musl", container: "node:26-alpine", libsodium: "libsodium.so.26" } as const;
const intel = { cpu: "x64", runner: "ubuntu-24.04" } as const;
const arm = { cpu: "arm64", runner: "ubuntu-24.04-arm" } as const;

/** Every platform. */
export const PLATFORMS: readonly Platform[] = [
  platform("linux", { ...intel, ...glibc }),
  platform("linux", { ...arm, ...glibc }),
  platform("linux", { ...intel, ...musl }),
  platform("linux", { ...arm, ...musl }),
  platform("darwin", { cpu: "arm64", runner: "macos-15" }),
  platform("darwin", { cpu: "x64", runner: "macos-15-intel" }),
  platform("win32", { cpu: "x64", runner: "windows-2025" }),
];

/**
 * The libenet that a package holds, or none where ENet is built into libenetjs, as in all packages that are
 * released. A package that is built on Linux without `ENETJS_ENET_SOURCE` has that of the system.
 */
export function libenetOf({ os }: Platform): string[] {
  return os === "linux" && !process.env.ENETJS_ENET_SOURCE ? ["libenet.so.7"] : [];
}

/** The libraries that a platform package holds. */
export function librariesOf(platform: Platform): string[] {
  const { library, libsodium } = platform;
  return [library, ...libenetOf(platform), ...libsodium === undefined ? [] : [libsodium]];
}

/**
 * The platform of this machine.
 *
 * @throws {Error} when there is no package for it
 */
export function currentPlatform(): Platform {
  const name = platformName();
  const found = PLATFORMS.find((platform) => platform.name === name);
  if (!found) throw new Error(`There is no package for ${name}: npm/platforms.ts does not list it`);
  return found;
}
