import { existsSync, realpathSync } from "node:fs";
import { createRequire } from "node:module";
import { sep } from "node:path";
import process from "node:process";
import { nodeSurroundings } from "./_node.ts";
import { pinWithMethods } from "./_pin.ts";
import type { NativeSignature, NativeType, RawCallback, RawFunction, Runtime } from "./contract.ts";
import { FfiError } from "./errors.ts";

/** A type of koffi. */
type KoffiType = object;

/** The part of koffi that is used here. Its addresses are bigints. */
interface Koffi {
  load(path: string | null): {
    func(name: string, result: string, parameters: readonly string[]): RawFunction;
    unload(): void;
  };
  proto(result: string, parameters: readonly string[]): KoffiType;
  pointer(type: KoffiType): KoffiType;
  decode(address: bigint, type: KoffiType): RawFunction;
  register(target: RawFunction, type: KoffiType): bigint;
  unregister(address: bigint): void;
  address(bytes: Uint8Array): bigint;
  view(address: bigint, length: number): ArrayBuffer;
}

/** What koffi calls the types. */
const TYPES: Readonly<Record<NativeType, string>> = {
  void: "void",
  i8: "int8_t",
  u8: "uint8_t",
  i16: "int16_t",
  u16: "uint16_t",
  i32: "int32_t",
  u32: "uint32_t",
  i64: "int64_t",
  u64: "uint64_t",
  f32: "float",
  f64: "double",
  buffer: "void *",
};

function koffiTypes({ parameters, result }: NativeSignature): [string, string[]] {
  return [TYPES[result], parameters.map((type) => TYPES[type])];
}

/** Makes types of functions, each once: koffi never frees them. */
function protoMaker(koffi: Koffi): (signature: NativeSignature) => KoffiType {
  const made = new Map<string, KoffiType>();
  return (signature) => {
    const types = koffiTypes(signature);
    const key = types.join();
    const type = made.get(key) ?? koffi.proto(...types);
    made.set(key, type);
    return type;
  };
}

const isWide = (type: NativeType): boolean => type === "i64" || type === "u64";

/** koffi gives 64 bits as numbers where these are exact. */
function withBigints(raw: RawFunction, { result }: NativeSignature): RawFunction {
  return isWide(result) ? (...values) => BigInt(raw(...values)) : raw;
}

/** The same for what a callback is called with. There, koffi takes the first bit of a `u64` for a sign. */
function withWideArguments(target: RawFunction, { parameters }: NativeSignature): RawFunction {
  if (!parameters.some(isWide)) return target;
  const widen = (value: number | bigint, index: number) => {
    const type = parameters[index];
    if (!isWide(type)) return value;
    return type === "u64" ? BigInt.asUintN(64, BigInt(value)) : BigInt(value);
  };
  return (...values) => target(...values.map(widen));
}

/**
 * Where koffi is looked for: beside the program's main file, and in the current folder. This module cannot tell where
 * it is itself, because bundlers move it.
 */
function places(): string[] {
  const [, main] = process.argv;
  const found = main !== undefined && existsSync(main) ? [realpathSync(main)] : [];
  return [...found, process.cwd() + sep];
}

/** Loads koffi as a file at one of these places would. */
function loadKoffi(): Koffi {
  let cause: unknown;
  for (const place of places()) {
    try {
      return createRequire(place)("koffi");
    } catch (error) {
      if ((error as { code?: unknown }).code !== "MODULE_NOT_FOUND") cause ??= error;
    }
  }
  const lack = cause === undefined ? "no koffi" : `koffi cannot be loaded (${cause})`;
  throw new FfiError(
    "ENETJS_ERR_FFI_UNSUPPORTED",
    `Node ${process.versions.node} has no node:ffi, and ${lack}. ` +
      "Use Node 26.10 or later, or: npm install koffi",
    { cause },
  );
}

/** Node before 26.10, with npm's koffi, which a program installs itself. */
export function createKoffiRuntime(): Runtime {
  const koffi = loadKoffi();
  const protoOf = protoMaker(koffi);
  const callback = (signature: NativeSignature, target: RawFunction): RawCallback => {
    const type = koffi.pointer(protoOf(signature));
    const address = koffi.register(withWideArguments(target, signature), type);
    return { address, close: () => koffi.unregister(address) };
  };
  return {
    ...nodeSurroundings,
    open(path, table) {
      const library = koffi.load(path);
      const entries = Object.entries(table).map(([name, signature]) =>
        [name, withBigints(library.func(name, ...koffiTypes(signature)), signature)] as const
      );
      return { functions: Object.fromEntries(entries), close: () => library.unload() };
    },
    functionAt: (address, signature) =>
      withBigints(koffi.decode(address, protoOf(signature)), signature),
    callback,
    needsStack: true,
    // koffi brings calls of other threads to this one.
    threadSafeCallback: callback,
    addressOf: (bytes) => koffi.address(bytes),
    // Node refuses to transfer a view of an addon's, and aborts at its end if one was pinned. Its own method gives a
    // buffer over the same memory that is like any other.
    map: (address, length) => koffi.view(BigInt(address), length).transfer(),
    pin: pinWithMethods, // For Node 22.
  };
}
