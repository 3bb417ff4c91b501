/**
 * What the library needs of a runtime: the contract of the adapters in `deno.ts`, `bun.ts` and
 * `node.ts`. Types only, so that the adapters, and whatever uses one, depend on this file alone.
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
  /** Must be called once at most, and the functions never again. */
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
  /** Makes a function from its address. Absent where functions have to have names. */
  readonly functionAt: ((address: bigint, signature: NativeSignature) => RawFunction) | undefined;
  /** Makes a function for C, which must not throw. */
  callback(signature: NativeSignature, target: RawFunction): RawCallback;
  /** Whether the process ends when C calls one and there is no stack left for it. */
  readonly needsStack: boolean;
  /** The same for one without result that other threads may call. Absent where none may. */
  readonly threadSafeCallback:
    | ((signature: NativeSignature, target: RawFunction) => RawCallback)
    | undefined;
  /** Where bytes lie. */
  addressOf(bytes: Uint8Array): bigint;
  /**
   * An ArrayBuffer over native memory, without a copy. Absent where raw pointers are not permitted. The
   * caller detaches the buffer before it frees the memory.
   */
  readonly map: ((address: number, length: number) => ArrayBuffer) | undefined;
  /** Bytes up to which a copy in the heap is cheaper than a view of a buffer that will be detached. */
  readonly copiesUpTo: number;
  /** Makes a buffer stay where it is: it can no longer be transferred. */
  pin(buffer: ArrayBuffer): void;
  /** Whether this program may listen for streams on an IP address and a port; asks the user where it would. */
  mayListen(hostname: string, port: number): Promise<boolean>;
  /** Reads an environment variable; undefined also where that is not permitted. */
  env(name: string): string | undefined;
  /** Calls a function after other work has had its turn, and before the event loop sleeps. */
  later(call: () => void): void;
  /** Takes over a descriptor and calls `onWake` whenever bytes have arrived on it. */
  attach(fd: number, onWake: () => void): Wake | Promise<Wake>;
  /**
   * Has a function called when this program is about to be replaced by a newer version of itself in
   * the same process, as by `deno run --watch` and `bun --hot`, which leave native things as they are.
   */
  onReload(call: () => void): void;
}
