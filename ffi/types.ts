/**
 * The C types: their names, their form in memory, and their types in TypeScript.
 *
 * @module
 */
import process from "node:process";
import type { Callback } from "./_callback.ts";
import { FfiError } from "./errors.ts";
import type { NativeType } from "./contract.ts";
import { nearest } from "./_nearest.ts";
import { show } from "./show.ts";

/** An address in native memory; `0n` is C's `NULL`. */
export type Pointer = bigint;

/** C's `NULL`. */
export const NULL: Pointer = 0n;

/** Types that are a `number`: integers up to 32 bits, and floating point. */
export type NumberType =
  | "i8"
  | "u8"
  | "i16"
  | "u16"
  | "i32"
  | "u32"
  | "f32"
  | "f64"
  | "int8_t"
  | "uint8_t"
  | "int16_t"
  | "uint16_t"
  | "int32_t"
  | "uint32_t"
  | "sint8"
  | "uint8"
  | "sint16"
  | "uint16"
  | "sint32"
  | "uint32"
  | "schar"
  | "uchar"
  | "sshort"
  | "ushort"
  | "sint"
  | "uint"
  | "char"
  | "signed char"
  | "unsigned char"
  | "short"
  | "unsigned short"
  | "int"
  | "unsigned int"
  | "float"
  | "double";

/**
 * Types that are a `bigint`: integers of 64 bits, and C's `long` whatever its size. A `number` that is
 * a safe integer is taken too.
 */
export type BigIntType =
  | "i64"
  | "u64"
  | "int64_t"
  | "uint64_t"
  | "sint64"
  | "uint64"
  | "slong"
  | "ulong"
  | "size_t"
  | "ssize_t"
  | "intptr_t"
  | "uintptr_t"
  | "long"
  | "unsigned long"
  | "long long"
  | "unsigned long long";

/**
 * Integers of 64 bits as a `number`. A result beyond 2^53 - 1, where a `number` is no longer exact, is
 * an error and not another number.
 */
export type ExactType = "i53" | "u53";

/**
 * Pointers as C spells them. As a parameter each takes a pointer, a string, a buffer or `null`. C may read the
 * UTF-8 of a string during the call. Everywhere else it is the same as `pointer`.
 */
export type AddressType = "void *" | "const void *" | "char *" | "const char *";

/** Types of a fixed size: those of struct fields, and of values that a view reads and writes. */
export type ScalarType =
  | NumberType
  | BigIntType
  | ExactType
  | AddressType
  | "bool"
  | "pointer"
  | "function";

/** Types of parameters. */
export type ParameterType = ScalarType | "buffer" | "cstring" | "string" | Struct<Fields>;

/** Types of results. */
export type ResultType = ScalarType | "cstring" | "void" | Struct<Fields>;

/** Values for a `buffer`. */
export type BufferLike = ArrayBufferLike | ArrayBufferView;

/** The TypeScript type of a scalar that comes from C. */
export type ScalarValue<T> = T extends NumberType | ExactType ? number
  : T extends BigIntType | AddressType | "pointer" | "function" ? bigint
  : T extends "bool" ? boolean
  : never;

/** The TypeScript type of a scalar that goes to C. */
export type ScalarInput<T> = T extends BigIntType ? bigint | number
  : T extends "function" ? Callback | Pointer
  : ScalarValue<T>;

/** The types of a struct's field or an array's element. */
export type FieldType = ScalarType | ArrayType<FieldType, number> | Struct<Fields>;

/** The fields of a struct, in C's order. */
export type Fields = Readonly<{ [name: string]: FieldType }>;

/** The value of a field that was read. */
export type FieldValue<T> = T extends ScalarType ? ScalarValue<T>
  : T extends Struct<infer F> ? StructValue<F>
  : T extends ArrayType<infer E, number> ? FieldValue<E>[]
  : never;

/** The value of a struct that was read: a copy, which does not follow the memory. */
export type StructValue<F extends Fields> = { -readonly [K in keyof F]: FieldValue<F[K]> };

/** The value to write to a field. */
export type FieldInput<T> = T extends ScalarType ? ScalarInput<T>
  : T extends Struct<infer F> ? StructInput<F>
  : T extends ArrayType<infer E, number> ? ArrayLike<FieldInput<E>>
  : never;

/** The value to write to a struct: a value for each field, and nothing else. */
export type StructInput<F extends Fields> = { readonly [K in keyof F]: FieldInput<F[K]> };

/** An array of a fixed length within a struct. */
export interface ArrayType<E extends FieldType, N extends number> {
  /** The type of its elements. */
  readonly element: E;
  /** How many there are. */
  readonly length: N;
  /** Bytes of all of them. */
  readonly size: number;
  /** What its address is a multiple of. */
  readonly alignment: number;
}

/** The layout of a struct. */
export interface Struct<F extends Fields> {
  /** Its fields. */
  readonly fields: F;
  /** Bytes, with the padding at the end. */
  readonly size: number;
  /** What its address is a multiple of. */
  readonly alignment: number;
  /**
   * Where a field begins, in bytes.
   *
   * @throws {FfiError} `ENETJS_ERR_FFI_TYPE` when there is no such field
   */
  offsetof(field: keyof F & string): number;
  /**
   * Reads a struct out of memory.
   *
   * @param source a pointer to it, or the buffer it is in
   * @param byteOffset where it begins there
   * @throws {FfiError} `ENETJS_ERR_FFI_RANGE` when it does not fit into the buffer,
   *   `ENETJS_ERR_FFI_NULL`
   */
  read(source: Pointer | BufferLike, byteOffset?: number): StructValue<F>;
  /**
   * Writes a struct into memory. Padding stays unchanged. After an error, the fields before the wrong one are
   * written.
   *
   * @param target a pointer to it, or the buffer it is in
   * @param value the value
   * @param byteOffset where it begins there
   * @throws {FfiError} as the fields' types do; `ENETJS_ERR_FFI_RANGE` when it does not fit into the
   *   buffer, `ENETJS_ERR_FFI_NULL`
   */
  write(target: Pointer | BufferLike, value: StructInput<F>, byteOffset?: number): void;
  /** A buffer with a struct written into it. */
  encode(value: StructInput<F>): Uint8Array<ArrayBuffer>;
}

/** The values of a parameter. */
export type Argument<T> = T extends "buffer" | Struct<Fields> ? BufferLike
  : T extends "cstring" ? string
  : T extends AddressType | "string" ? Pointer | string | BufferLike | null
  : ScalarInput<T>;

/** The result of a call, or an argument of a callback. */
export type Result<T> = T extends "void" ? void
  : T extends "cstring" ? string | null
  : T extends Struct<infer F> ? StructValue<F> | null
  : ScalarValue<T>;

/** The arguments of a parameter list. */
export type Arguments<P extends readonly ParameterType[]> = {
  -readonly [K in keyof P]: Argument<P[K]>;
};

/**
 * How arguments reach a function, by libffi's names. Each platform has one way, which is the default;
 * the names of others are refused there.
 */
export type Abi =
  | "default"
  | "sysv"
  | "unix64"
  | "win64"
  | "stdcall"
  | "thiscall"
  | "fastcall"
  | "ms_cdecl";

/** How a C function is called. */
export interface Signature {
  /** Types of the parameters; for a variadic function those of one way to call it. */
  readonly parameters: readonly ParameterType[];
  /** Type of the result. */
  readonly result: ResultType;
  /** Whether C declares the function with `...`. */
  readonly variadic?: boolean;
  /** How the function takes its arguments. The default, which `null` is too, is the platform's way. */
  readonly abi?: Abi | null;
  /** The symbol's name, where it is not that of the entry. */
  readonly name?: string;
}

/** The functions of a library. */
export type Symbols = Readonly<Record<string, Signature>>;

/** The JavaScript function of a signature. */
export type NativeFunction<S extends Signature> = (
  ...values: Arguments<S["parameters"]>
) => Result<S["result"]>;

/** The JavaScript functions of a table. */
export type NativeFunctions<T extends Symbols> = { readonly [K in keyof T]: NativeFunction<T[K]> };

/** How a scalar crosses the border, and what may. */
export interface Scalar {
  readonly kind: "integer" | "bigint" | "exact" | "float" | "bool" | "pointer" | "function";
  /** What the runtimes know it by. */
  readonly native: Exclude<NativeType, "void" | "buffer">;
  readonly size: number;
}

function scalar(kind: Scalar["kind"], native: Scalar["native"]): Scalar {
  return { kind, native, size: Number(native.slice(1)) / 8 };
}

const i8 = scalar("integer", "i8");
const u8 = scalar("integer", "u8");
const i16 = scalar("integer", "i16");
const u16 = scalar("integer", "u16");
const i32 = scalar("integer", "i32");
const u32 = scalar("integer", "u32");
const i64 = scalar("bigint", "i64");
const u64 = scalar("bigint", "u64");
const f32 = scalar("float", "f32");
const f64 = scalar("float", "f64");

const windows = process.platform === "win32";
/** ARM's own convention, which Linux follows and macOS and Windows do not. */
const unsignedChar = process.platform === "linux" && process.arch.startsWith("arm");
const LONG = windows ? scalar("bigint", "i32") : i64;
const UNSIGNED_LONG = windows ? scalar("bigint", "u32") : u64;
const POINTER = scalar("pointer", "u64");

const SCALARS: Readonly<Record<ScalarType, Scalar>> = {
  i8,
  u8,
  i16,
  u16,
  i32,
  u32,
  i64,
  u64,
  f32,
  f64,
  i53: scalar("exact", "i64"),
  u53: scalar("exact", "u64"),
  int8_t: i8,
  uint8_t: u8,
  int16_t: i16,
  uint16_t: u16,
  int32_t: i32,
  uint32_t: u32,
  int64_t: i64,
  uint64_t: u64,
  sint8: i8,
  uint8: u8,
  sint16: i16,
  uint16: u16,
  sint32: i32,
  uint32: u32,
  sint64: i64,
  uint64: u64,
  schar: i8,
  uchar: u8,
  sshort: i16,
  ushort: u16,
  sint: i32,
  uint: u32,
  slong: LONG,
  ulong: UNSIGNED_LONG,
  size_t: u64,
  ssize_t: i64,
  intptr_t: i64,
  uintptr_t: u64,
  char: unsignedChar ? u8 : i8,
  "signed char": i8,
  "unsigned char": u8,
  short: i16,
  "unsigned short": u16,
  int: i32,
  "unsigned int": u32,
  long: LONG,
  "unsigned long": UNSIGNED_LONG,
  "long long": i64,
  "unsigned long long": u64,
  float: f32,
  double: f64,
  // As bytes and addresses, which the three runtimes pass alike.
  bool: scalar("bool", "u8"),
  pointer: POINTER,
  "void *": POINTER,
  "const void *": POINTER,
  "char *": POINTER,
  "const char *": POINTER,
  function: scalar("function", "u64"),
};

/** The scalar of a name, if it is one. */
export function scalarOf(type: unknown): Scalar | undefined {
  return typeof type === "string" && Object.hasOwn(SCALARS, type)
    ? SCALARS[type as ScalarType]
    : undefined;
}

const ADDRESSES: ReadonlySet<unknown> = new Set<AddressType | "string">([
  "void *",
  "const void *",
  "char *",
  "const char *",
  "string",
]);

/** Whether a parameter of a type takes whatever has an address. */
export function takesAddress(type: unknown): boolean {
  return ADDRESSES.has(type);
}

/** Whether each name of an ABI is that of this platform. Windows' compilers ignore the older ones. */
const ABIS: Readonly<Record<Abi, boolean>> = {
  default: true,
  sysv: !windows,
  unix64: !windows && process.arch === "x64",
  win64: windows && process.arch === "x64",
  stdcall: windows,
  thiscall: windows,
  fastcall: windows,
  ms_cdecl: windows,
};

/** Whether a value names an ABI, of this platform or another; `null` is the default. */
export function isAbi(value: unknown): value is Abi | null {
  return value === null || (typeof value === "string" && Object.hasOwn(ABIS, value));
}

/** Refuses an ABI that is not that of this platform. */
export function checkAbi(abi: unknown, label: string): void {
  if (abi === undefined || abi === null) return;
  if (!isAbi(abi)) throw typeError(abi, `${label}, abi`);
  if (ABIS[abi as Abi]) return;
  const names = Object.entries(ABIS).filter(([, usable]) => usable).map(([name]) => show(name));
  throw new FfiError(
    "ENETJS_ERR_FFI_UNSUPPORTED",
    `${label}: ${show(abi)} is not an ABI of ${process.platform}-${process.arch}, ` +
      `which has ${names.join(", ")}`,
    { value: abi },
  );
}

const NAMES = [...Object.keys(SCALARS), "void", "buffer", "cstring"];

/** What other libraries and languages call a type, in lower case. */
const SYNONYMS: Readonly<Record<string, readonly string[]>> = {
  int: ["integer"],
  double: ["number"],
  i64: ["bigint"],
  bool: ["boolean"],
  size_t: ["usize"],
  pointer: ["ptr"],
  cstring: ["str", "utf8"],
  function: ["callback"],
};

/** The error for a type that does not exist or does not belong there. */
export function typeError(type: unknown, label: string): FfiError {
  const meant = typeof type === "string" && !NAMES.includes(type)
    ? nearest(type, NAMES, SYNONYMS)
    : undefined;
  const hint = meant === undefined ? "" : ` (did you mean "${meant}"?)`;
  const message = `${label}: ${show(type)} is not a type for this${hint}`;
  return new FfiError("ENETJS_ERR_FFI_TYPE", message, { value: type });
}
