/**
 * Libraries: opens and closes them, and finds their symbols.
 *
 * @module
 */
import process from "node:process";
import { messageOf, needsVariadicCall, rawFunctionAt, unsupported } from "./_address.ts";
import { encodeString } from "./_bytes.ts";
import { whenIdle } from "./_callback.ts";
import { callSignature } from "./_codec.ts";
import { checkedFunction, type Owner } from "./_function.ts";
import { scalarEncoder } from "./_scalar.ts";
import { linker, memory, openSelf } from "./_system.ts";
import type { NativeSignature, RawFunction, RawLibrary } from "./contract.ts";
import { FfiError, type FfiErrorCode } from "./errors.ts";
import { toString } from "./memory.ts";
import { detectRuntime } from "./runtime.ts";
import { type NativeFunctions, type Pointer, scalarOf, type Symbols, typeError } from "./types.ts";
import { show } from "./show.ts";

const darwin = process.platform === "darwin";

/** Binds functions when they are first called. */
export const RTLD_LAZY = 1;
/** Binds all functions at once. */
export const RTLD_NOW = 2;
/** Lets libraries that are opened later use the symbols of this one. */
export const RTLD_GLOBAL: number = darwin ? 8 : 0x100;
/** Makes the symbols visible only to those that open the library; the default. */
export const RTLD_LOCAL: number = darwin ? 4 : 0;
/** Does not load the library, but opens it if it is loaded. */
export const RTLD_NOLOAD: number = darwin ? 0x10 : 4;
/** Keeps the library in memory after it is closed. */
export const RTLD_NODELETE: number = darwin ? 0x80 : 0x1000;
/** For {@linkcode dlsym}: looks in everything the process has loaded, in the linker's order. */
export const RTLD_DEFAULT: unique symbol = Symbol("RTLD_DEFAULT");

const DEFAULT_HANDLE = darwin ? 2n ** 64n - 2n : 0n;

/** An open library. */
export interface LibraryHandle extends Disposable {
  /** The path that was opened; null for the process itself. */
  readonly path: string | null;
  /** Whether it is closed. */
  readonly closed: boolean;
  /**
   * Closes the library. Its functions, and those made of its pointers, throw from now on. Memory that it
   * allocated must no longer be used. Within a callback, the library is unloaded after the C code has
   * returned. A second call does nothing.
   */
  close(): void;
}

/** An open library with its functions. */
export interface Library<T extends Symbols> extends LibraryHandle {
  /** The functions of the table. They need no `this`. */
  readonly symbols: NativeFunctions<T>;
}

/** Options of {@linkcode dlopen}. */
export interface DlopenOptions {
  /** `RTLD_…`, joined by `|`. Default the runtime's, which is `RTLD_LAZY`. */
  flags?: number;
}

/** The message that `dlerror` returns next. */
let lastMessage: string | null = null;

/** An error whose message `dlerror` also returns. */
function linkError(
  code: FfiErrorCode,
  message: string,
  options: { value?: unknown; cause?: unknown },
): FfiError {
  lastMessage = message;
  return new FfiError(code, message, options);
}

/** The message of C's own `dlerror`. */
function linkerMessage(): string {
  memory(); // Opened before, because opening any library overwrites the message.
  const text: bigint = linker().dlerror();
  return text === 0n ? "no reason is known" : toString(text);
}

/** C's handle of a library. */
function openHandle(path: string | null, flags: number): bigint {
  const handle: bigint = path === null
    ? openSelf(flags)
    : linker().dlopen(encodeString(path, "dlopen(), path"), flags);
  if (handle !== 0n) return handle;
  throw linkError("ENETJS_ERR_FFI_LIBRARY", `${path} cannot be opened: ${linkerMessage()}`, {
    value: path,
  });
}

/** The address of a symbol, or 0. */
function find(handle: bigint, name: string): bigint {
  return linker().dlsym(handle, encodeString(name, "dlsym(), name"));
}

class OpenLibrary implements Library<Symbols>, Owner {
  readonly path: string | null;
  readonly title: string;
  readonly symbols: NativeFunctions<Symbols>;
  closed = false;
  readonly #flags: number | undefined;
  readonly #parts: RawLibrary[] = [];
  #handle: bigint | undefined;

  constructor(path: string | null, table: Symbols, flags: number | undefined) {
    this.path = path;
    this.title = path ?? "the process";
    this.#flags = flags;
    const entries = Object.entries(table).map(([key, signature]) => {
      const native = callSignature(key, signature);
      return { key, signature, native, name: signature.name ?? key };
    });
    try {
      // Opened through C for flags, and where the table is empty, to find out whether it can be opened.
      if (flags !== undefined || entries.length === 0) void this.handle;
      this.symbols = Object.fromEntries(entries.map(({ key, signature, native, name }) => {
        const raw = this.rawFunction(name, native, signature.variadic ?? false);
        return [key, checkedFunction(key, signature, raw, this)] as const;
      }));
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** C's handle, which most libraries do not need. */
  get handle(): bigint {
    return this.#handle ??= openHandle(this.path, this.#flags ?? RTLD_LAZY);
  }

  /** The address of a symbol. */
  address(name: string): bigint {
    const address = find(this.handle, name);
    if (address !== 0n) return address;
    throw linkError("ENETJS_ERR_FFI_SYMBOL", `${this.title} has no symbol ${show(name)}`, {
      value: name,
    });
  }

  /** By its name if the runtime can, because that is fastest; else by its address. */
  rawFunction(name: string, signature: NativeSignature, variadic: boolean): RawFunction {
    const runtime = detectRuntime();
    const unnamed = this.path === null && runtime.functionAt !== undefined;
    if (unnamed || needsVariadicCall(signature, variadic)) {
      return rawFunctionAt(this.address(name), signature, variadic);
    }
    let part: RawLibrary;
    try {
      part = runtime.open(this.path, { [name]: signature });
    } catch (error) {
      throw this.#explain(name, error);
    }
    this.#parts.push(part);
    return part.functions[name];
  }

  /** The error behind that of a runtime. The runtimes word it differently. */
  #explain(name: string, cause: unknown): unknown {
    try {
      this.address(name);
    } catch (error) {
      const known = error instanceof FfiError && error.code !== "ENETJS_ERR_FFI_UNSUPPORTED";
      if (known) return error;
      const message = `${this.title} cannot be opened for ${show(name)}: ${messageOf(cause)}`;
      return linkError("ENETJS_ERR_FFI_LIBRARY", message, { value: this.path, cause });
    }
    return unsupported(show(name), cause);
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    whenIdle(() => {
      for (const part of this.#parts) part.close();
      if (this.#handle !== undefined) linker().dlclose(this.#handle);
    });
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** Where `dlsym` found a pointer. */
interface Origin {
  readonly library: OpenLibrary;
  readonly name: string;
}

const origins = new Map<Pointer, Origin>();

/** The owner of a pointer that no open library has given. It is never closed. */
const NOBODY: Owner = { title: "nothing", closed: false };

/** The owner of a function pointer. */
export function ownerOf(pointer: Pointer): Owner {
  return origins.get(pointer)?.library ?? NOBODY;
}

/** A raw function of a pointer, by its name if it is known. */
export function rawFunctionOf(
  pointer: Pointer,
  signature: NativeSignature,
  variadic: boolean,
): RawFunction {
  const origin = origins.get(pointer);
  return origin === undefined
    ? rawFunctionAt(pointer, signature, variadic)
    : origin.library.rawFunction(origin.name, signature, variadic);
}

function openLibrary(path: string | null, table: Symbols, flags?: number): OpenLibrary {
  if (path !== null && (typeof path !== "string" || path === "")) {
    throw new FfiError("ENETJS_ERR_FFI_VALUE", `dlopen(): ${show(path)} is not a path`, {
      value: path,
    });
  }
  if (typeof table !== "object" || table === null) throw typeError(table, "dlopen(), symbols");
  if (flags !== undefined) scalarEncoder(scalarOf("int")!, "dlopen(), flags")(flags);
  return new OpenLibrary(path, table, flags);
}

/**
 * Opens a shared library and makes its functions callable. TypeScript infers their types from the
 * table.
 *
 * Arguments are checked before the call. JavaScript cannot check whether the table matches the library, and
 * whether a pointer is valid.
 *
 * @param path a file, or a name that the linker finds; null for the process itself, which has the C
 *   library
 * @param symbols the functions
 * @throws {FfiError} `ENETJS_ERR_FFI_LIBRARY`, `ENETJS_ERR_FFI_SYMBOL`, `ENETJS_ERR_FFI_TYPE`
 *
 * @example
 * ```ts
 * import { dlopen } from "@enetjs/enet/ffi";
 *
 * using libc = dlopen(null, {
 *   strlen: { parameters: ["cstring"], result: "size_t" },
 *   getenv: { parameters: ["cstring"], result: "cstring" },
 * });
 * const length: bigint = libc.symbols.strlen("hello");
 * const home: string | null = libc.symbols.getenv("NO_SUCH_VARIABLE");
 * console.log(length, home); // 5n null
 * ```
 */
export function dlopen<const T extends Symbols = Record<never, never>>(
  path: string | null,
  symbols?: T,
  options?: DlopenOptions,
): Library<T>;
/**
 * The same for a library whose functions {@linkcode dlsym} finds, as in C.
 *
 * @param path a file, or a name that the linker finds; null for the process itself
 * @param flags `RTLD_…`, joined by `|`
 * @throws {FfiError} `ENETJS_ERR_FFI_LIBRARY`
 */
export function dlopen(path: string | null, flags: number): LibraryHandle;
export function dlopen(
  path: string | null,
  symbols: Symbols | number = {},
  options: DlopenOptions = {},
): LibraryHandle {
  if (typeof symbols === "number") return openLibrary(path, {}, symbols);
  return openLibrary(path, symbols, options.flags);
}

/** The process, opened for what is looked up in all of it. It stays open. */
let everything: OpenLibrary | undefined;

/**
 * Finds a symbol.
 *
 * @param library an open library, or `RTLD_DEFAULT`
 * @param name the symbol
 * @returns its address
 * @throws {FfiError} `ENETJS_ERR_FFI_SYMBOL`, `ENETJS_ERR_FFI_CLOSED`
 */
export function dlsym(library: LibraryHandle | typeof RTLD_DEFAULT, name: string): Pointer {
  if (library === RTLD_DEFAULT) {
    const address = find(DEFAULT_HANDLE, name);
    if (address === 0n) {
      throw linkError("ENETJS_ERR_FFI_SYMBOL", `The process has no symbol ${show(name)}`, {
        value: name,
      });
    }
    // A pointer that an open library has given as well stays with that library.
    if (ownerOf(address) === NOBODY || ownerOf(address).closed) {
      everything ??= openLibrary(null, {});
      origins.set(address, { library: everything, name });
    }
    return address;
  }
  checkLibrary(library, "dlsym()");
  if (library.closed) {
    throw new FfiError("ENETJS_ERR_FFI_CLOSED", `dlsym(): ${library.path} is closed`, {
      value: library.path,
    });
  }
  const pointer = library.address(name);
  origins.set(pointer, { library, name });
  return pointer;
}

/**
 * Closes a library, as its own `close` does.
 *
 * @throws {FfiError} `ENETJS_ERR_FFI_VALUE` if `library` is not a library
 */
export function dlclose(library: LibraryHandle): void {
  checkLibrary(library, "dlclose()");
  library.close();
}

function checkLibrary(library: unknown, label: string): asserts library is OpenLibrary {
  if (library instanceof OpenLibrary) return;
  throw new FfiError("ENETJS_ERR_FFI_VALUE", `${label}: ${show(library)} is not a library`, {
    value: library,
  });
}

/** The message of the last failure to open a library or to find a symbol. A second call returns null. */
export function dlerror(): string | null {
  const message = lastMessage;
  lastMessage = null;
  return message;
}
