import process from "node:process";
import { attachSocket } from "./_socket.ts";
import type { Runtime } from "./runtime.ts";
import type { NativeFunctions, SymbolTable } from "./symbols.ts";

/** The part of `node:ffi` that is used here. */
interface NodeFfi {
  dlopen(
    path: string,
    symbols: Record<string, { arguments: readonly string[]; return: string }>,
  ): { functions: Record<string, unknown> };
  toArrayBuffer(pointer: bigint, length: number, copy: boolean): ArrayBuffer;
}

/** Node's `node:ffi`, from 26.10. */
export function createNodeRuntime(): Runtime {
  const ffi = process.getBuiltinModule?.("node:ffi") as unknown as NodeFfi | undefined;
  if (ffi === undefined) {
    throw new Error(
      `Node ${process.versions.node} has no node:ffi: @enetjs/enet needs Node 26.10 or later`,
    );
  }
  return {
    name: "node",
    open<T extends SymbolTable>(path: string, table: T) {
      const definitions = Object.entries(table).map(([name, parameters]) =>
        [name, { arguments: parameters, return: "f64" }] as const
      );
      return ffi.dlopen(path, Object.fromEntries(definitions)).functions as NativeFunctions<T>;
    },
    map: (address, length) => ffi.toArrayBuffer(BigInt(address), length, false),
    env: (name) => process.env[name],
    attach: attachSocket,
  };
}
