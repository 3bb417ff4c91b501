import process from "node:process";

/** Whether the system's C library is glibc. */
function hasGlibc(): boolean {
  const { Deno } = globalThis as { Deno?: { build: { env?: string } } };
  if (Deno) return Deno.build.env !== "musl"; // The report would take a permission there.
  const report = process.report as typeof process.report & { excludeNetwork?: boolean };
  const { excludeNetwork } = report;
  try {
    report.excludeNetwork = true; // Looking up the names of interfaces may take seconds.
    const { header } = report.getReport() as unknown as { header: Record<string, unknown> };
    return header.glibcVersionRuntime !== undefined;
  } finally {
    report.excludeNetwork = excludeNetwork;
  }
}

/**
 * The name of this platform, as in the names of the platform packages: `"linux-x64"`,
 * `"linux-x64-musl"`, `"darwin-arm64"`.
 */
export function platformName(): string {
  const name = `${process.platform}-${process.arch}`;
  return process.platform === "linux" && !hasGlibc() ? `${name}-musl` : name;
}

/** The file name of libenetjs on this platform. */
export function libraryName(): string {
  if (process.platform === "win32") return "enetjs.dll";
  return process.platform === "darwin" ? "libenetjs.dylib" : "libenetjs.so";
}
