/**
 * The functions of the C library that this module itself needs.
 *
 * @module
 */
import process from "node:process";
import type { NativeSignature, NativeType, RawFunction } from "./contract.ts";
import { FfiError } from "./errors.ts";
import { detectRuntime } from "./runtime.ts";

type Table = Readonly<Record<string, readonly [readonly NativeType[], NativeType]>>;

const MEMORY = {
  calloc: [["u64", "u64"], "u64"],
  free: [["u64"], "void"],
  strlen: [["u64"], "u64"],
} as const satisfies Table;

const LINKER = {
  dlopen: [["buffer", "i32"], "u64"],
  dlsym: [["u64", "buffer"], "u64"],
  dlclose: [["u64"], "i32"],
  dlerror: [[], "u64"],
} as const satisfies Table;

/** `dlopen` as it is called for the process itself. */
const SELF = { dlopen: [["u64", "i32"], "u64"] } as const satisfies Table;

const windows = process.platform === "win32";
const ERRNO_NAMES: Readonly<Record<string, string>> = { win32: "_errno", darwin: "__error" };
/** The function that tells where this thread has its errno. */
const ERRNO = ERRNO_NAMES[process.platform] ?? "__errno_location";

/** Where the C library is: glibc's name on Linux, and musl's. */
function fileNames(): string[] {
  if (windows) return ["ucrtbase.dll"];
  if (process.platform === "darwin") return ["/usr/lib/libSystem.B.dylib"];
  const arch = process.arch === "arm64" ? "aarch64" : "x86_64";
  return ["libc.so.6", `libc.musl-${arch}.so.1`];
}

/**
 * Makes sure that raw pointers are permitted, without asking for it on a terminal.
 *
 * @throws {FfiError} `ENETJS_ERR_FFI_UNSUPPORTED`
 */
export function needPointers(): void {
  if (detectRuntime().map !== undefined) return;
  throw new FfiError(
    "ENETJS_ERR_FFI_UNSUPPORTED",
    "Raw pointers are not permitted: Deno needs --allow-ffi without a path",
  );
}

/** Opens functions of the C library. */
function open<T extends Table>(table: T): Readonly<Record<keyof T, RawFunction>> {
  needPointers();
  const signatures = Object.entries(table).map(([name, [parameters, result]]) =>
    [name, { parameters, result } satisfies NativeSignature] as const
  );
  let cause: unknown;
  for (const name of fileNames()) {
    try {
      const { functions } = detectRuntime().open(name, Object.fromEntries(signatures));
      return functions as Readonly<Record<keyof T, RawFunction>>;
    } catch (error) {
      cause ??= error;
    }
  }
  throw new FfiError("ENETJS_ERR_FFI_UNSUPPORTED", "The C library was not found", { cause });
}

function once<T>(make: () => T): () => T {
  let made: { value: T } | undefined;
  return () => (made ??= { value: make() }).value;
}

/** Memory. */
export const memory: () => Readonly<Record<keyof typeof MEMORY, RawFunction>> = once(() =>
  open(MEMORY)
);

/** The dynamic linker. */
export const linker: () => Readonly<Record<keyof typeof LINKER, RawFunction>> = once(() => {
  if (!windows) return open(LINKER);
  throw new FfiError("ENETJS_ERR_FFI_UNSUPPORTED", "Windows has no dlopen and dlsym");
});

/** The process itself as a library. */
export const openSelf: (flags: number) => bigint = (flags) => open(SELF).dlopen(0n, flags);

/** This thread's errno. Where pointers are not permitted it is another cell, which C does not know. */
export const errnoCell: () => Int32Array = once(() => {
  if (detectRuntime().map === undefined) return new Int32Array(1);
  const address: bigint = open({ [ERRNO]: [[], "u64"] } as const)[ERRNO]();
  return new Int32Array(mapMemory(address, 4));
});

/** An ArrayBuffer over native memory. */
export function mapMemory(address: bigint, length: number): ArrayBuffer {
  needPointers();
  return detectRuntime().map!(Number(address), length);
}

/** Where bytes lie. */
export function addressOf(bytes: Uint8Array): bigint {
  needPointers();
  return detectRuntime().addressOf(bytes);
}
