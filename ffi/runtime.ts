/**
 * Which of the adapters fits the runtime that this is.
 *
 * @module
 */
import { createBunRuntime } from "./bun.ts";
import type { Runtime } from "./contract.ts";
import { createDenoRuntime } from "./deno.ts";
import { createKoffiRuntime } from "./koffi.ts";
import { createNodeRuntime } from "./node.ts";

/** Deno and Bun also report a Node version, so they are asked first. */
function createRuntime(): Runtime {
  const globals = globalThis as { Deno?: { dlopen?: unknown }; Bun?: unknown };
  if (globals.Deno?.dlopen) return createDenoRuntime();
  if (globals.Bun) return createBunRuntime();
  return createNodeRuntime() ?? createKoffiRuntime();
}

let detected: Runtime | undefined;

/** The adapter of the runtime that this is. */
export function detectRuntime(): Runtime {
  return detected ??= createRuntime();
}
