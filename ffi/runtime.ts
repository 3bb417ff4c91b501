/**
 * What the library needs of a runtime, and which of the three adapters provides it. Nothing else
 * in the library names a runtime.
 *
 * @module
 */
import { createBunRuntime } from "./bun.ts";
import { createDenoRuntime } from "./deno.ts";
import { createNodeRuntime } from "./node.ts";
import type { NativeFunctions, SymbolTable } from "./symbols.ts";

/** A socket that wakes this thread: see `enetjs_host_start` in `native/include/enetjs.h`. */
export interface Wake {
  /** Keeps the event loop alive. */
  ref(): void;
  /** Lets the event loop end. */
  unref(): void;
  /** Closes the descriptor. */
  close(): void;
}

/** The contract of the adapters. */
export interface Runtime {
  /** Which runtime this is. */
  readonly name: "deno" | "bun" | "node";
  /** Loads a shared library, for the life of the process. Throws the runtime's own error. */
  open<T extends SymbolTable>(path: string, table: T): NativeFunctions<T>;
  /**
   * An ArrayBuffer over native memory, without a copy. Absent where raw pointers are not permitted.
   * Whoever frees the memory detaches the buffer first.
   */
  readonly map: ((address: number, length: number) => ArrayBuffer) | undefined;
  /** Reads an environment variable; undefined also where that is not permitted. */
  env(name: string): string | undefined;
  /** Takes over a descriptor and calls `onWake` whenever bytes have arrived on it. */
  attach(fd: number, onWake: () => void): Wake | Promise<Wake>;
}

/** Deno and Bun also report a Node version, so they are asked first. */
export function detectRuntime(): Runtime {
  const globals = globalThis as { Deno?: { dlopen?: unknown }; Bun?: unknown };
  if (globals.Deno?.dlopen) return createDenoRuntime();
  if (globals.Bun) return createBunRuntime();
  return createNodeRuntime();
}
