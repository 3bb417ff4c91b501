import process from "node:process";
import { setImmediate } from "node:timers";
import { MessageChannel } from "node:worker_threads";
import { pinWithMethods } from "./_pin.ts";
import type { NativeSignature, RawCallback, RawFunction, Runtime, Wake } from "./contract.ts";

/** How `bun:ffi` writes a signature. */
interface BunSignature {
  readonly args: readonly string[];
  readonly returns: string;
}

/** The part of `bun:ffi` that is used here. */
interface BunFfi {
  dlopen(
    path: string,
    symbols: Record<string, BunSignature>,
  ): { symbols: Record<string, RawFunction>; close(): void };
  CFunction(definition: BunSignature & { ptr: number }): RawFunction;
  JSCallback: new (
    target: RawFunction,
    definition: BunSignature & { threadsafe: boolean },
  ) => { readonly ptr: number; close(): void };
  ptr(bytes: Uint8Array): number;
  toArrayBuffer(pointer: number, offset: number, length: number): ArrayBuffer;
}

/** The part of the Bun namespace that is used here. */
interface BunNamespace {
  connect(options: {
    fd: number;
    socket: { data(): void; error(): void; close(): void };
  }): Promise<{ ref(): void; unref(): void; terminate(): void }>;
}

function bunSignature({ parameters, result }: NativeSignature): BunSignature {
  return { args: parameters, returns: result };
}

/** After so many messages in a row, the next call lets Bun run timers and serve sockets first. */
const MESSAGES_IN_A_ROW = 64;

/**
 * Calls functions by messages to this thread. An immediate would delay the end of the process that an
 * uncaught error causes. Messages delay timers and sockets, so now and then one is posted by an immediate.
 */
function callByMessage(): (call: () => void) => void {
  const calls: (() => void)[] = [];
  let channel: MessageChannel | undefined;
  let count = 0;
  return (call) => {
    if (channel === undefined) {
      channel = new MessageChannel();
      channel.port1.on("message", () => calls.shift()?.());
      channel.port1.unref();
    }
    calls.push(call);
    const post = () => channel?.port2.postMessage(null);
    if (++count % MESSAGES_IN_A_ROW === 0) setImmediate(post);
    else post();
  };
}

/**
 * `bun --hot` evaluates all modules again without telling the old ones, and keeps the global object. So
 * each load of this module stores a function there, which the next load calls.
 */
function callAtNextLoad(call: () => void): void {
  if (!process.execArgv.includes("--hot")) return;
  // The key names this copy of the library. A bundler may have put several into one file.
  const place = new Error().stack?.split("\n")[1];
  const key = Symbol.for(`@enetjs/enet ${place}`);
  const loads = globalThis as { [key]?: () => void };
  loads[key]?.();
  loads[key] = call;
}

/** Bun's `bun:ffi`. */
export function createBunRuntime(): Runtime {
  const ffi = process.getBuiltinModule("bun:ffi" as "node:fs") as unknown as BunFfi;
  const { Bun } = globalThis as unknown as { Bun: BunNamespace };
  const createCallback = (
    signature: NativeSignature,
    target: RawFunction,
    threadsafe: boolean,
  ): RawCallback => {
    const callback = new ffi.JSCallback(target, { ...bunSignature(signature), threadsafe });
    return { address: BigInt(callback.ptr), close: () => callback.close() };
  };
  return {
    name: "bun",
    open(path, table) {
      const definitions = Object.entries(table).map(([name, signature]) =>
        [name, bunSignature(signature)] as const
      );
      const library = ffi.dlopen(path as string, Object.fromEntries(definitions));
      return { functions: library.symbols, close: () => library.close() };
    },
    functionAt: (address, signature) =>
      ffi.CFunction({ ptr: Number(address), ...bunSignature(signature) }),
    callback: (signature, target) => createCallback(signature, target, false),
    needsStack: false,
    threadSafeCallback: (signature, target) => createCallback(signature, target, true),
    addressOf: (bytes) => BigInt(ffi.ptr(bytes)),
    map: (address, length) => ffi.toArrayBuffer(address, 0, length),
    // JavaScriptCore counts a detached buffer as garbage of its full size, so a small copy costs no more.
    copiesUpTo: 512,
    pin: pinWithMethods,
    mayListen: () => Promise.resolve(true),
    env: (name) => process.env[name],
    later: callByMessage(),
    onReload: callAtNextLoad,
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
