/**
 * The checked function around a raw one.
 *
 * @module
 */
import { withAddresses } from "./_address.ts";
import { pending, settle, withStack } from "./_callback.ts";
import { argumentLabel, decoderOf, encoderOf } from "./_codec.ts";
import type { Decoder, Encoder } from "./_scalar.ts";
import { errnoCell } from "./_system.ts";
import type { RawFunction } from "./contract.ts";
import { FfiError } from "./errors.ts";
import { detectRuntime } from "./runtime.ts";
import { type Signature, takesAddress } from "./types.ts";

/** What a function belongs to. Once that is closed, the function throws. */
export interface Owner {
  /** How messages name it. */
  readonly title: string;
  readonly closed: boolean;
}

/** What C's errno was after the last call, before the runtime did anything that changes it. */
export const lastErrno: { value: number } = { value: 0 };

/** What a checked function is made of. */
interface Parts {
  readonly raw: RawFunction;
  readonly owner: Owner;
  readonly pending: typeof pending;
  readonly errno: Int32Array;
  readonly last: typeof lastErrno;
  readonly encoders: readonly Encoder[];
  readonly decode: Decoder;
  /** Throws for a wrong number of arguments. */
  arity(count: number): never;
  /** Throws because the owner is closed. */
  closed(): never;
  /** Ends a call when something is pending. */
  settle: typeof settle;
}

/** How many functions there are. */
let serial = 0;

/**
 * The text of a function with so many parameters. Each function gets a text of its own, made different by
 * a number. Engines optimize functions by their text: where several share one, calls are not inlined, and
 * Deno and Node do not take the fast path.
 */
function textOf(count: number): string {
  const names = Array.from({ length: count }, (_, index) => `a${index}`);
  const encoders = names.map((name) => `e_${name}`);
  return `"use strict"; // ${serial++}
    const { raw, owner, pending, errno, last, encoders, decode, arity, closed, settle } = parts;
    const [${encoders}] = encoders;
    return function (${names}) {
      if (arguments.length !== ${count}) arity(arguments.length);
      if (owner.closed) closed();
      const result = raw(${names.map((name) => `e_${name}(${name})`)});
      last.value = errno[0];
      if (pending.any) return settle(result, decode);
      return decode(result);
    };`;
}

/** The same where the program forbids code from text, as with `--disallow-code-generation-from-strings`. */
function interpreted(parts: Parts): RawFunction {
  const { raw, owner, pending, errno, last, encoders, decode, arity, closed, settle } = parts;
  return (...values) => {
    if (values.length !== encoders.length) arity(values.length);
    if (owner.closed) closed();
    const result = raw(...encoders.map((encode, index) => encode(values[index])));
    last.value = errno[0];
    if (pending.any) return settle(result, decode);
    return decode(result);
  };
}

/** A function that checks and converts its arguments, calls a raw one, and converts its result. */
export function checkedFunction(
  name: string,
  signature: Signature,
  raw: RawFunction,
  owner: Owner,
): RawFunction {
  const { parameters } = signature;
  const callsBack = parameters.includes("function");
  const places = parameters.keys().filter((index) => takesAddress(parameters[index])).toArray();
  const direct = places.length > 0 ? withAddresses(raw, places) : raw;
  const parts: Parts = {
    raw: callsBack && detectRuntime().needsStack ? withStack(direct) : direct,
    owner,
    pending,
    errno: errnoCell(),
    last: lastErrno,
    encoders: parameters.map((type, index) => encoderOf(type, argumentLabel(name, index))),
    decode: decoderOf(signature.result, `${name}(), result`),
    arity(count) {
      throw new FfiError(
        "ENETJS_ERR_FFI_ARITY",
        `${name}() takes ${parameters.length} arguments, not ${count}`,
        { value: count },
      );
    },
    closed() {
      throw new FfiError("ENETJS_ERR_FFI_CLOSED", `${name}(): ${owner.title} is closed`, {
        value: owner.title,
      });
    },
    settle,
  };
  try {
    return new Function("parts", textOf(parameters.length))(parts);
  } catch (error) {
    if (error instanceof EvalError) return interpreted(parts);
    throw error;
  }
}
