/**
 * Arguments and results of calls, both ways.
 *
 * @module
 */
import { bytesOf, encodeString } from "./_bytes.ts";
import { type Decoder, type Encoder, scalarDecoder, scalarEncoder, valueError } from "./_scalar.ts";
import { FfiError } from "./errors.ts";
import { stringAt } from "./memory.ts";
import type { NativeSignature, NativeType } from "./contract.ts";
import { structOf } from "./struct.ts";
import { checkAbi, scalarOf, type Signature, takesAddress, typeError } from "./types.ts";
import { show } from "./show.ts";

/** Passed in place of an empty buffer: C gets an address that it must not use. */
const EMPTY = new Uint8Array(new ArrayBuffer(8));

function bufferEncoder(label: string): Encoder {
  return (value) => {
    if (value instanceof Uint8Array && value.length > 0) return value;
    const bytes = bytesOf(value, label);
    return bytes.length > 0 ? bytes : EMPTY;
  };
}

function structEncoder(size: number, label: string): Encoder {
  const buffer = bufferEncoder(label);
  return (value) => {
    const bytes: Uint8Array = buffer(value);
    if (bytes !== EMPTY && bytes.length >= size) return bytes;
    throw new FfiError("ENETJS_ERR_FFI_RANGE", `${label}: the struct has ${size} bytes`, { value });
  };
}

/** Encodes a value that has an address. Bytes stay bytes: the call looks up their address. */
function addressEncoder(label: string): Encoder {
  const pointer = scalarEncoder(scalarOf("pointer")!, label);
  const buffer = bufferEncoder(label);
  return (value) => {
    if (typeof value === "bigint") return pointer(value);
    if (value === null) return 0n;
    if (typeof value === "string") return encodeString(value, label);
    if (typeof value === "object") return buffer(value);
    throw valueError(label, "a pointer (a bigint), a string, a buffer or null", value);
  };
}

/** The encoder of an argument; `label` begins its messages. */
export function encoderOf(type: unknown, label: string): Encoder {
  if (takesAddress(type)) return addressEncoder(label);
  const scalar = scalarOf(type);
  if (scalar !== undefined) return scalarEncoder(scalar, label);
  if (type === "buffer") return bufferEncoder(label);
  if (type === "cstring") return (value) => encodeString(value, label);
  const layout = structOf(type);
  if (layout !== undefined) return structEncoder(layout.size, label);
  throw typeError(type, label);
}

/** The decoder of a result, or of a callback's argument; `label` begins its messages. */
export function decoderOf(type: unknown, label: string): Decoder {
  const scalar = scalarOf(type);
  if (scalar !== undefined) return scalarDecoder(scalar, label);
  if (type === "void") return () => undefined;
  if (type === "cstring") return stringAt;
  const layout = structOf(type);
  if (layout !== undefined) return (value) => value === 0n ? null : layout.read(value);
  throw typeError(type, label);
}

/** The type by which a runtime passes an argument to C. Memory that C reads during the call is a buffer. */
function outgoing(type: unknown, label: string): NativeType {
  if (type === "buffer" || type === "cstring" || structOf(type)) return "buffer";
  if (takesAddress(type)) return "u64";
  return scalarOf(type)?.native ?? fail(type, label);
}

/** The type by which a runtime takes a value from C: an address, unless it is a scalar. */
function incoming(type: unknown, label: string): NativeType {
  if (type === "void") return "void";
  if (type === "cstring" || structOf(type)) return "u64";
  return scalarOf(type)?.native ?? fail(type, label);
}

function fail(type: unknown, label: string): never {
  throw typeError(type, label);
}

/** The name of an argument in messages. */
export function argumentLabel(name: string, index: number): string {
  return `${name}(), argument ${index + 1}`;
}

/** A signature of a call either way. */
interface AnySignature {
  readonly parameters: readonly unknown[];
  readonly result: unknown;
}

/** A hint for messages, where a signature has the names that another library uses; otherwise empty. */
function renamed(signature: unknown): string {
  const known = typeof signature === "object" && signature !== null ? Object.keys(signature) : [];
  const other = known.filter((key) => key === "args" || key === "returns");
  return other.length === 0
    ? ""
    : ` (write "parameters" in place of "args", and "result" in place of "returns")`;
}

/** Refuses what is not a signature at all. */
function checkSignature(name: string, signature: AnySignature): void {
  if (!Array.isArray(signature?.parameters)) {
    throw new FfiError(
      "ENETJS_ERR_FFI_TYPE",
      `${name}(): a signature is { parameters: […], result }; its parameters are ` +
        `${show(signature?.parameters)}, which is not a list of parameter types${
          renamed(signature)
        }`,
      { value: signature },
    );
  }
}

/** How a runtime calls a function of this signature. */
export function callSignature(name: string, signature: Signature): NativeSignature {
  checkSignature(name, signature);
  checkAbi(signature.abi, `${name}()`);
  const { parameters, variadic } = signature;
  return {
    parameters: parameters.map((type, index) => {
      const label = argumentLabel(name, index);
      const native = outgoing(type, label);
      // C itself passes a float as a double there.
      return variadic && native === "f32" ? fail(type, label) : native;
    }),
    result: incoming(signature.result, `${name}(), result`),
  };
}

/** How a runtime calls a callback of this signature. Its result must be a scalar or nothing. */
export function callbackSignature(name: string, signature: AnySignature): NativeSignature {
  checkSignature(name, signature);
  return {
    parameters: signature.parameters.map((type, i) => {
      const label = argumentLabel(name, i);
      return type === "void" ? fail(type, label) : incoming(type, label);
    }),
    result: signature.result === "void"
      ? "void"
      : scalarOf(signature.result)?.native ?? fail(signature.result, `${name}(), result`),
  };
}
