import process from "node:process";
import { nodeSurroundings } from "./_node.ts";
import type { NativeSignature, RawFunction, Runtime } from "./contract.ts";

/** How `node:ffi` writes a signature. */
interface NodeSignature {
  readonly arguments: readonly string[];
  readonly return: string;
}

/** A library of `node:ffi`. */
interface NodeLibrary {
  registerCallback(signature: NodeSignature, target: RawFunction): bigint;
  unregisterCallback(address: bigint): void;
  close(): void;
}

/** The part of `node:ffi` that is used here. */
interface NodeFfi {
  DynamicLibrary: new (path: null) => NodeLibrary;
  dlopen(
    path: string | null,
    symbols: Record<string, NodeSignature>,
  ): { lib: NodeLibrary; functions: Record<string, RawFunction> };
  getRawPointer(bytes: Uint8Array): bigint;
  toArrayBuffer(pointer: bigint, length: number, copy: boolean): ArrayBuffer;
}

function nodeSignature({ parameters, result }: NativeSignature): NodeSignature {
  return { arguments: parameters, return: result };
}

/**
 * How long a thread stays at its exit. V8 compiles hot code in threads of its own. At its exit, Node 26 frees what
 * such a thread still reads about native functions. Without the time to finish, about one in forty programs that
 * end while they are hot is aborted (`Check failed: FastApiCallNode::ArityForArgc`).
 */
const COMPILE_MS = 50;

let staysAtExit = false;

/** Lets V8 finish what it is compiling before Node frees native functions. */
function stayAtExit(): void {
  if (staysAtExit) return;
  staysAtExit = true;
  process.once("exit", () => {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, COMPILE_MS);
  });
}

/** Node's `node:ffi`, from 26.10; undefined on older versions. */
export function createNodeRuntime(): Runtime | undefined {
  const ffi = process.getBuiltinModule?.("node:ffi") as unknown as NodeFfi | undefined;
  if (ffi === undefined) return undefined;
  /** The library that owns the callbacks: Node frees them with their library. */
  let owner: NodeLibrary | undefined;
  return {
    ...nodeSurroundings,
    open(path, table) {
      const definitions = Object.entries(table).map(([name, signature]) =>
        [name, nodeSignature(signature)] as const
      );
      const { lib, functions } = ffi.dlopen(path, Object.fromEntries(definitions));
      stayAtExit();
      return { functions, close: () => lib.close() };
    },
    functionAt: undefined,
    callback(signature, target) {
      const library = owner ??= new ffi.DynamicLibrary(null);
      const address = library.registerCallback(nodeSignature(signature), target);
      return { address, close: () => library.unregisterCallback(address) };
    },
    // Node aborts when a callback throws, also for want of stack, and when another thread calls one.
    needsStack: true,
    threadSafeCallback: undefined,
    addressOf: (bytes) => ffi.getRawPointer(bytes),
    map: (address, length) => ffi.toArrayBuffer(BigInt(address), length, false),
  };
}
