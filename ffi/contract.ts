/**
 * What the library needs of a runtime: the contract of the adapters in `deno.ts`, `bun.ts`, `node.ts`
 * and `koffi.ts`. Types only, so that the adapters, and whatever uses one, depend on this file alone.
 *
 * @module
 */

/** A socket that wakes this thread: see `enetjs_host_start` in `native/include/enetjs.h`. */
export interface Wake {
  /** Keeps the event loop alive. */
  ref(): void;
  /** Lets the event loop end. */
  unref(): void;
  /** Closes the descriptor. */
  close(): void;
}

/** The types that all runtimes know and pass alike. An address is a `u64`. */
export type NativeType =
  | "void"
  | "i8"
  | "u8"
  | "i16"
  | "u16"
  | "i32"
  | "u32"
  | "i64"
  | "u64"
  | "f32"
  | "f64"
  | "buffer";

/** How a runtime calls a function, or is called by one. */
export interface NativeSignature {
  readonly parameters: readonly NativeType[];
  readonly result: NativeType;
}

/**
 * A function as the runtime makes it. It takes only what its types say: `bigint` for 64 bits, for a
 * `buffer` a `Uint8Array` that is not empty. Most mistakes go unnoticed, or crash.
 */
// deno-lint-ignore no-explicit-any
export type RawFunction = (...values: any[]) => any;

/** A library as a runtime opens it. */
export interface RawLibrary {
  readonly functions: Readonly<Record<string, RawFunction>>;
  /** Closes the library. Call it once at most. The functions must not be called afterwards. */
  close(): void;
}

/** A JavaScript function that C can call. */
export interface RawCallback {
  readonly address: bigint;
  close(): void;
}

/** An adapter. */
export interface Runtime {
  /** Which runtime this is. */
  readonly name: "deno" | "bun" | "node";
  /**
   * Loads a shared library. Throws the runtime's own error.
   *
   * @param path the file; null for the process itself, where there is no `functionAt`
   * @param table the functions, one at least
   */
  open(path: string | null, table: Readonly<Record<string, NativeSignature>>): RawLibrary;
  /** Makes a function from its address. Absent where a runtime finds functions by name only. */
  readonly functionAt: ((address: bigint, signature: NativeSignature) => RawFunction) | undefined;
  /** Makes a function that C can call. `target` must not throw. */
  callback(signature: NativeSignature, target: RawFunction): RawCallback;
  /** Whether the process is aborted when C calls such a function and the stack is full. */
  readonly needsStack: boolean;
  /** Makes a function without result that C may call on any thread. Absent where a runtime has none. */
  readonly threadSafeCallback:
    | ((signature: NativeSignature, target: RawFunction) => RawCallback)
    | undefined;
  /** The address of some bytes. */
  addressOf(bytes: Uint8Array): bigint;
  /**
   * An ArrayBuffer over native memory, without a copy. Absent where raw pointers are not permitted. The
   * caller detaches the buffer before it frees the memory.
   */
  readonly map: ((address: number, length: number) => ArrayBuffer) | undefined;
  /** Up to this many bytes, a copy is cheaper than a view of a buffer that will be detached. */
  readonly copiesUpTo: number;
  /** Makes a buffer untransferable. */
  pin(buffer: ArrayBuffer): void;
  /** Whether this program may listen for TCP on an IP address and a port. On a terminal, Deno asks the user. */
  mayListen(hostname: string, port: number): Promise<boolean>;
  /** Reads an environment variable; undefined also where that is not permitted. */
  env(name: string): string | undefined;
  /** Calls a function after other pending work has run, and before the event loop sleeps. */
  later(call: () => void): void;
  /** Takes over a descriptor and calls `onWake` whenever bytes have arrived on it. */
  attach(fd: number, onWake: () => void): Wake | Promise<Wake>;
  /**
   * Calls a function before a newer version of this program starts in the same process, as with `deno run --watch`
   * and `bun --hot`. Both leave native objects as they are.
   */
  onReload(call: () => void): void;
}
