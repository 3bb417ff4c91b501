import { DIAGNOSTIC, LAYOUT } from "../ffi/layout.ts";
import type { Native } from "../ffi/symbols.ts";
import { loadLibrary } from "./internal/library.ts";

/** What is loaded, and from where. */
export interface Versions {
  /** The version of ENet, such as `"1.3.17"`. */
  readonly libenet: string;
  /** The version of the border between TypeScript and native code. */
  readonly abi: number;
  /** The runtime this is. */
  readonly runtime: "deno" | "bun" | "node";
  /**
   * How datagrams pass between ENet and the system: many with one system call, or one by one. One by one is
   * outside Linux, and where the process had loaded libenet before.
   */
  readonly datagrams: "batched" | "plain";
  /** The version of libsodium, which encryption uses; undefined where there is none. */
  readonly libsodium: string | undefined;
  /** The file of libenetjs. */
  readonly library: string;
}

/** What the native library holds for the whole process now. */
export interface Diagnostics {
  /** Open hosts. */
  readonly hosts: number;
  /** Running pump threads. */
  readonly pumps: number;
  /** Native packets that a queue or a `Packet` refers to. */
  readonly packets: number;
  /** Native packets since the library was loaded. */
  readonly packetsEver: number;
  /** Blocks of native memory in use. */
  readonly allocations: number;
  /** Bytes of native memory in use, with what the allocator adds to each block. */
  readonly allocatedBytes: number;
  /** Bytes of native memory reserved for blocks, free ones among them; falls when much of it is free. */
  readonly reservedBytes: number;
  /** Channels to plugins that are open or closing. */
  readonly channels: number;
  /** Bytes of memory shared with plugins. */
  readonly channelBytes: number;
  /** Running threads of plugins. */
  readonly plugins: number;
}

function sodiumVersion(native: Native): string | undefined {
  const out = new Uint8Array(64);
  const length = native.enetjs_sodium_version(out, out.length);
  return length > 0 ? new TextDecoder().decode(out.subarray(0, length)) : undefined;
}

/**
 * Tells what is loaded; loads the library if needed.
 *
 * @throws {ENetError} `ENETJS_ERR_LIBRARY` or `ENETJS_ERR_ABI` if it can't be
 *
 * @example
 * ```ts
 * import { versions } from "@enetjs/enet";
 *
 * const { libenet } = await versions();
 * console.log(libenet); // for example 1.3.17
 * ```
 */
export async function versions(): Promise<Versions> {
  const { native, path, runtime } = await loadLibrary();
  const number = native.enetjs_libenet_version();
  return {
    libenet: `${number >>> 16}.${number >>> 8 & 255}.${number & 255}`,
    abi: native.enetjs_abi_version(),
    runtime: runtime.name,
    libsodium: sodiumVersion(native),
    datagrams: native.enetjs_datagrams_batched() === 1 ? "batched" : "plain",
    library: path,
  };
}

/**
 * Counts what the native library holds, for tests and monitoring; loads it if needed. When every host and
 * channel is closed and every packet is freed, all but `packetsEver` and `reservedBytes` are zero.
 *
 * @throws {ENetError} `ENETJS_ERR_LIBRARY` or `ENETJS_ERR_ABI` if it can't be loaded
 */
export async function diagnostics(): Promise<Diagnostics> {
  const { native } = await loadLibrary();
  const values = new Float64Array(LAYOUT.DIAGNOSTIC_COUNT);
  native.enetjs_diagnostics(new Uint8Array(values.buffer), values.byteLength);
  return {
    hosts: values[DIAGNOSTIC.HOSTS],
    pumps: values[DIAGNOSTIC.PUMPS],
    packets: values[DIAGNOSTIC.PACKETS],
    packetsEver: values[DIAGNOSTIC.PACKETS_EVER],
    allocations: values[DIAGNOSTIC.ALLOCATIONS],
    allocatedBytes: values[DIAGNOSTIC.ALLOCATED_BYTES],
    reservedBytes: values[DIAGNOSTIC.RESERVED_BYTES],
    channels: values[DIAGNOSTIC.CHANNELS],
    channelBytes: values[DIAGNOSTIC.CHANNEL_BYTES],
    plugins: values[DIAGNOSTIC.PLUGINS],
  };
}
