import { isIPv6 } from "node:net";
import process from "node:process";
import { markAsUntransferable } from "node:worker_threads";
import { setImmediate } from "node:timers";
import { attachSocket } from "./_socket.ts";
import type { NativeSignature, RawFunction, Runtime } from "./contract.ts";

/** A pointer, which is null or an object. */
type DenoPointer = object | null;

/** What a callback is made with, and as. */
interface DenoCallback {
  readonly pointer: DenoPointer;
  close(): void;
}

/** The part of the Deno namespace that is used here, so that other type checkers need not know it. */
interface DenoNamespace {
  dlopen(
    path: string,
    symbols: Readonly<Record<string, NativeSignature>>,
  ): { symbols: Record<string, RawFunction>; close(): void };
  permissions: {
    querySync(descriptor: { name: "env"; variable: string } | { name: "ffi" }): { state: string };
    request(descriptor: { name: "net"; host: string }): Promise<{ state: string }>;
  };
  UnsafePointer: {
    create(address: bigint): DenoPointer;
    of(value: Uint8Array): DenoPointer;
    value(pointer: DenoPointer): bigint;
  };
  UnsafePointerView: { getArrayBuffer(pointer: DenoPointer, length: number): ArrayBuffer };
  UnsafeFnPointer: new (
    pointer: DenoPointer,
    definition: NativeSignature,
  ) => { call: RawFunction };
  UnsafeCallback: {
    new (definition: NativeSignature, callback: RawFunction): DenoCallback;
    threadSafe(definition: NativeSignature, callback: RawFunction): DenoCallback;
  };
  env: { get(name: string): string | undefined };
}

/** Deno's `Deno.dlopen`; needs `--allow-ffi`, for the library's path at least. */
export function createDenoRuntime(): Runtime {
  const { Deno } = globalThis as unknown as { Deno: DenoNamespace };
  const { UnsafePointer, UnsafeCallback, UnsafeFnPointer } = Deno;
  const asRaw = (callback: DenoCallback) => ({
    address: UnsafePointer.value(callback.pointer),
    close: () => callback.close(),
  });
  return {
    name: "deno",
    open(path, table) {
      const library = Deno.dlopen(path as string, table);
      return { functions: library.symbols, close: () => library.close() };
    },
    functionAt(address, signature) {
      const pointer = new UnsafeFnPointer(UnsafePointer.create(address), signature);
      return (...values) => pointer.call(...values);
    },
    callback: (signature, target) => asRaw(new UnsafeCallback(signature, target)),
    needsStack: false,
    threadSafeCallback: (signature, target) => asRaw(UnsafeCallback.threadSafe(signature, target)),
    addressOf: (bytes) => UnsafePointer.value(UnsafePointer.of(bytes)),
    // A permission for one path allows calls, but not raw pointers.
    map: Deno.permissions.querySync({ name: "ffi" }).state === "granted"
      ? (address, length) =>
        Deno.UnsafePointerView.getArrayBuffer(UnsafePointer.create(BigInt(address)), length)
      : undefined,
    copiesUpTo: 0,
    pin: markAsUntransferable,
    async mayListen(hostname, port) {
      const host = `${isIPv6(hostname) ? `[${hostname}]` : hostname}:${port}`;
      const { state } = await Deno.permissions.request({ name: "net", host });
      return state === "granted";
    },
    // Reading without the permission would prompt on a terminal, so the permission is queried first.
    env(name) {
      const { state } = Deno.permissions.querySync({ name: "env", variable: name });
      return state === "granted" ? Deno.env.get(name) : undefined;
    },
    later: setImmediate,
    attach: attachSocket,
    // `deno run --watch` restarts the program in the same thread. Before that, and at the end of the process,
    // it emits "unload" and then "exit". This listener is added last, so it runs after the program's own.
    onReload: (call) => globalThis.addEventListener("unload", () => void process.on("exit", call)),
  };
}
