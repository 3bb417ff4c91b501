/**
 * Scalars on their way to C and back: what is checked, and what a runtime or memory gets instead.
 *
 * @module
 */
import { Callback } from "./_callback.ts";
import { FfiError, type FfiErrorCode } from "./errors.ts";
import type { Scalar } from "./types.ts";
import { show } from "./show.ts";

/** Makes what the runtime takes out of what the user gave, or throws. */
// deno-lint-ignore no-explicit-any
export type Encoder = (value: any) => any;

/** Makes what the user gets out of what the runtime gave. */
// deno-lint-ignore no-explicit-any
export type Decoder = (value: any) => any;

const BITS_64 = { i64: [-(2n ** 63n), 2n ** 63n - 1n], u64: [0n, 2n ** 64n - 1n] } as const;

/** The least and greatest value of an integer type. */
function limitsOf(native: Scalar["native"]): readonly [bigint, bigint] {
  if (native === "i64" || native === "u64") return BITS_64[native];
  const bits = BigInt(native.slice(1));
  return native.startsWith("i")
    ? [-(2n ** (bits - 1n)), 2n ** (bits - 1n) - 1n]
    : [0n, 2n ** bits - 1n];
}

/** The error for a value that is not of the kind its C type is made from. */
export function valueError(label: string, expected: string, value: unknown): FfiError {
  const missing = value === null || value === undefined;
  const code: FfiErrorCode = missing && /pointer|buffer|string|callback/.test(expected)
    ? "ENETJS_ERR_FFI_NULL"
    : "ENETJS_ERR_FFI_VALUE";
  return new FfiError(code, `${label}: expected ${expected}, not ${show(value)}`, { value });
}

function rangeError(label: string, value: unknown, low: unknown, high: unknown): FfiError {
  return new FfiError(
    "ENETJS_ERR_FFI_RANGE",
    `${label}: ${show(value)} is not an integer from ${low} to ${high}`,
    { value },
  );
}

function integerEncoder(low: number, high: number, label: string): Encoder {
  return (value) => {
    if (typeof value !== "number") throw valueError(label, "a number", value);
    if (!(value >= low && value <= high && Number.isInteger(value))) {
      throw rangeError(label, value, low, high);
    }
    return value + 0; // Without the sign of -0, which is no integer to the runtimes.
  };
}

/** What is left of a value in 64 bits. Engines compile this to almost nothing. */
const WRAP = {
  i64: (value: bigint) => BigInt.asIntN(64, value),
  u64: (value: bigint) => BigInt.asUintN(64, value),
} as const;

function bigintEncoder(native: Scalar["native"], label: string): Encoder {
  const [low, high] = limitsOf(native);
  const convert = (value: unknown): bigint => {
    if (typeof value === "bigint") return value;
    if (typeof value !== "number") throw valueError(label, "a bigint or number", value);
    if (!Number.isSafeInteger(value)) throw rangeError(label, value, low, high);
    return BigInt(value);
  };
  if (native === "i64" || native === "u64") {
    const wrap = WRAP[native];
    return (given) => {
      const value = convert(given);
      if (wrap(value) !== value) throw rangeError(label, given, low, high);
      return value;
    };
  }
  return (given) => {
    const value = convert(given);
    if (value < low || value > high) throw rangeError(label, given, low, high);
    return Number(value);
  };
}

function exactEncoder(native: Scalar["native"], label: string): Encoder {
  const low = native === "u64" ? 0 : Number.MIN_SAFE_INTEGER;
  const integer = integerEncoder(low, Number.MAX_SAFE_INTEGER, label);
  return (value) => BigInt(integer(value));
}

function pointerEncoder(label: string): Encoder {
  return (value) => {
    if (typeof value !== "bigint") throw valueError(label, "a pointer (a bigint)", value);
    if (WRAP.u64(value) !== value) throw rangeError(label, value, ...BITS_64.u64);
    return value;
  };
}

function functionEncoder(label: string): Encoder {
  const pointer = pointerEncoder(label);
  return (value) => {
    if (value instanceof Callback) return value.pointer;
    if (typeof value === "function") {
      throw valueError(
        label,
        "a callback, as callback(signature, fn) makes one, or a pointer",
        value,
      );
    }
    if (typeof value !== "bigint") throw valueError(label, "a callback or pointer", value);
    return pointer(value);
  };
}

/** The encoder of a scalar; `label` begins its messages. */
export function scalarEncoder({ kind, native }: Scalar, label: string): Encoder {
  switch (kind) {
    case "integer": {
      const [low, high] = limitsOf(native);
      return integerEncoder(Number(low), Number(high), label);
    }
    case "bigint":
      return bigintEncoder(native, label);
    case "exact":
      return exactEncoder(native, label);
    case "float":
      return (value) => {
        if (typeof value !== "number") throw valueError(label, "a number", value);
        return value;
      };
    case "bool":
      return (value) => {
        if (typeof value !== "boolean") throw valueError(label, "a boolean", value);
        return value ? 1 : 0;
      };
    case "pointer":
      return pointerEncoder(label);
    case "function":
      return functionEncoder(label);
  }
}

/** C leaves the bits of a register undefined above those of a small integer, so they are cut off. */
const NARROW: Readonly<Partial<Record<Scalar["native"], Decoder>>> = {
  i8: (value) => value << 24 >> 24,
  u8: (value) => value & 0xFF,
  i16: (value) => value << 16 >> 16,
  u16: (value) => value & 0xFFFF,
};

const same: Decoder = (value) => value;

/** The decoder of a scalar; `label` begins its messages. */
export function scalarDecoder({ kind, native }: Scalar, label: string): Decoder {
  switch (kind) {
    case "integer":
      return NARROW[native] ?? same;
    case "bigint":
      return native === "i64" || native === "u64" ? same : BigInt;
    case "exact":
      return (value) => {
        const number = Number(value);
        if (!Number.isSafeInteger(number)) {
          throw rangeError(label, value, Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER);
        }
        return number;
      };
    case "bool":
      return (value) => (value & 0xFF) !== 0;
    default:
      return same;
  }
}

const GETTERS = {
  i8: "getInt8",
  u8: "getUint8",
  i16: "getInt16",
  u16: "getUint16",
  i32: "getInt32",
  u32: "getUint32",
  i64: "getBigInt64",
  u64: "getBigUint64",
  f32: "getFloat32",
  f64: "getFloat64",
} as const;

const littleEndian = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

/** Reads memory as the runtimes return values. */
export function readNative(
  view: DataView,
  native: Scalar["native"],
  offset: number,
): number | bigint {
  return view[GETTERS[native]](offset, littleEndian);
}

/** Writes memory as the runtimes pass values. */
export function writeNative(
  view: DataView,
  native: Scalar["native"],
  offset: number,
  value: number | bigint,
): void {
  const setter = GETTERS[native].replace("get", "set") as "setBigInt64";
  view[setter](offset, value as bigint, littleEndian);
}
