import process from "node:process";
import type { Runtime, Wake } from "./runtime.ts";
import type { NativeFunctions, SymbolTable } from "./symbols.ts";

/** The part of `bun:ffi` that is used here. */
interface BunFfi {
  dlopen(
    path: string,
    symbols: Record<string, { args: readonly string[]; returns: string }>,
  ): { symbols: Record<string, unknown> };
  toArrayBuffer(pointer: number, offset: number, length: number): ArrayBuffer;
}

/** The part of the Bun namespace that is used here. */
interface BunNamespace {
  connect(options: {
    fd: number;
    socket: { data(): void; error(): void; close(): void };
  }): Promise<{ ref(): void; unref(): void; terminate(): void }>;
}

/** Bun's `bun:ffi`. */
export function createBunRuntime(): Runtime {
  const ffi = process.getBuiltinModule("bun:ffi" as "node:fs") as unknown as BunFfi;
  const { Bun } = globalThis as unknown as { Bun: BunNamespace };
  return {
    name: "bun",
    open<T extends SymbolTable>(path: string, table: T) {
      const definitions = Object.entries(table).map(([name, parameters]) =>
        [name, { args: parameters, returns: "f64" }] as const
      );
      return ffi.dlopen(path, Object.fromEntries(definitions)).symbols as NativeFunctions<T>;
    },
    map: (address, length) => ffi.toArrayBuffer(address, 0, length),
    env: (name) => process.env[name],
    // Bun's node:net delivers nothing for a descriptor.
    async attach(fd: number, onWake: () => void): Promise<Wake> {
      const ignore = () => {};
      const socket = await Bun.connect({
        fd,
        socket: { data: onWake, error: ignore, close: ignore },
      });
      return {
        ref: () => socket.ref(),
        unref: () => socket.unref(),
        close: () => socket.terminate(),
      };
    },
  };
}
