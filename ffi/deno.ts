import { attachSocket } from "./_socket.ts";
import type { Runtime } from "./runtime.ts";
import type { NativeFunctions, SymbolTable } from "./symbols.ts";

/** The part of the Deno namespace that is used here, so that other type checkers need not know it. */
interface DenoNamespace {
  dlopen(
    path: string,
    symbols: Record<string, { parameters: readonly string[]; result: string }>,
  ): { symbols: Record<string, unknown> };
  permissions: {
    querySync(descriptor: { name: "env"; variable: string } | { name: "ffi" }): { state: string };
  };
  UnsafePointer: { create(address: bigint): unknown };
  UnsafePointerView: { getArrayBuffer(pointer: unknown, length: number): ArrayBuffer };
  env: { get(name: string): string | undefined };
}

/** Deno's `Deno.dlopen`; needs `--allow-ffi`, for the library's path at least. */
export function createDenoRuntime(): Runtime {
  const { Deno } = globalThis as unknown as { Deno: DenoNamespace };
  return {
    name: "deno",
    open<T extends SymbolTable>(path: string, table: T) {
      const definitions = Object.entries(table).map(([name, parameters]) =>
        [name, { parameters, result: "f64" }] as const
      );
      const { symbols } = Deno.dlopen(path, Object.fromEntries(definitions));
      return symbols as NativeFunctions<T>;
    },
    // A permission for one path allows calls, but no pointers.
    map: Deno.permissions.querySync({ name: "ffi" }).state === "granted"
      ? (address, length) =>
        Deno.UnsafePointerView.getArrayBuffer(Deno.UnsafePointer.create(BigInt(address)), length)
      : undefined,
    // Asked first, because reading without the permission would prompt on a terminal.
    env(name) {
      const { state } = Deno.permissions.querySync({ name: "env", variable: name });
      return state === "granted" ? Deno.env.get(name) : undefined;
    },
    attach: attachSocket,
  };
}
