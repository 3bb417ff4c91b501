/**
 * Where this copy of the library comes from: a checkout, or JSR. For the npm package, `npm/build.ts` replaces this
 * module by one that says so. That one names each platform package, so that bundlers see them.
 *
 * @module
 */

/** What a platform package exports. */
export interface PlatformPackage {
  /** The path of libenetjs. */
  readonly default: string;
  /** The ABI version of libenetjs. */
  readonly abi: number;
  /** On Bun, where the package's libraries are, by their file names: it may have embedded them. */
  readonly files?: Readonly<Record<string, string>>;
}

const { url } = import.meta;

/** The folder that a checkout is built into, as a URL; none where these are not the sources on a disk. */
export const buildFolder: URL | undefined = url.startsWith("file:") && url.endsWith(".ts")
  ? new URL("../native/build/", url)
  : undefined;

/** The version of this library, where it is known: JSR has it in its addresses. */
export const version: string | undefined = url.match(/^https?:.*\/@enetjs\/enet\/([^/]+)\//)?.[1];

/** The platforms that there are packages for, where they are known. */
export const platforms: readonly string[] = [];

/** Imports the package for a platform. */
export function importPackage(platform: string): Promise<PlatformPackage> {
  const name = `@enetjs/${platform}`;
  return import(version === undefined ? name : `npm:${name}@${version}`);
}
