/**
 * Structs and arrays in memory, laid out as C does.
 *
 * @module
 */
import { bytesOf } from "./_bytes.ts";
import {
  type Decoder,
  type Encoder,
  readNative,
  scalarDecoder,
  scalarEncoder,
  valueError,
  writeNative,
} from "./_scalar.ts";
import { mapMemory } from "./_system.ts";
import { FfiError } from "./errors.ts";
import { checkPointer } from "./memory.ts";
import {
  type ArrayType,
  type BufferLike,
  type Fields,
  type FieldType,
  type Pointer,
  type Scalar,
  scalarOf,
  type Struct,
  type StructInput,
  type StructValue,
  typeError,
} from "./types.ts";
import { show } from "./show.ts";

/** Reads and writes a value at an offset. */
interface Cell {
  readonly size: number;
  readonly alignment: number;
  read(view: DataView, offset: number, label: string): unknown;
  write(view: DataView, offset: number, value: unknown, label: string): void;
}

/** The largest that can be looked at. */
const MAXIMUM_SIZE = 2 ** 32 - 1;

function roundUp(offset: number, alignment: number): number {
  return Math.ceil(offset / alignment) * alignment;
}

function checkSize(size: number, label: string): number {
  if (size <= MAXIMUM_SIZE) return size;
  throw new FfiError("ENETJS_ERR_FFI_RANGE", `${label}: ${size} bytes are too large`, {
    value: size,
  });
}

class ScalarCell implements Cell {
  readonly size: number;
  readonly alignment: number;
  readonly #scalar: Scalar;
  readonly #encode: Encoder;
  readonly #decode: Decoder;

  constructor(scalar: Scalar, label: string) {
    this.#scalar = scalar;
    this.size = this.alignment = scalar.size;
    this.#encode = scalarEncoder(scalar, label);
    this.#decode = scalarDecoder(scalar, label);
  }

  read(view: DataView, offset: number): unknown {
    return this.#decode(readNative(view, this.#scalar.native, offset));
  }

  write(view: DataView, offset: number, value: unknown): void {
    writeNative(view, this.#scalar.native, offset, this.#encode(value));
  }
}

class ArrayLayout implements ArrayType<FieldType, number>, Cell {
  readonly element: FieldType;
  readonly length: number;
  readonly size: number;
  readonly alignment: number;
  readonly #cell: Cell;

  constructor(element: FieldType, length: number) {
    if (!Number.isInteger(length) || length < 0) {
      const problem = `array(): ${show(length)} is not a length`;
      throw new FfiError("ENETJS_ERR_FFI_RANGE", problem, { value: length });
    }
    this.#cell = cellOf(element, "array()");
    this.element = element;
    this.length = length;
    this.size = checkSize(this.#cell.size * length, "array()");
    this.alignment = this.#cell.alignment;
  }

  read(view: DataView, offset: number, label: string): unknown[] {
    const { size } = this.#cell;
    return Array.from(
      { length: this.length },
      (_, index) => this.#cell.read(view, offset + index * size, `${label}[${index}]`),
    );
  }

  write(view: DataView, offset: number, value: unknown, label: string): void {
    const { length } = this;
    const given = value as ArrayLike<unknown> | null;
    if (typeof given !== "object" || given?.length !== length) {
      throw valueError(label, `an array of ${length}`, value);
    }
    const { size } = this.#cell;
    for (let index = 0; index < length; index++) {
      this.#cell.write(view, offset + index * size, given[index], `${label}[${index}]`);
    }
  }
}

interface Field {
  readonly name: string;
  readonly offset: number;
  readonly cell: Cell;
}

class StructCell implements Cell {
  readonly size: number;
  readonly alignment: number;
  readonly fields: readonly Field[];

  constructor(types: Fields) {
    const fields: Field[] = [];
    let end = 0;
    let alignment = 1;
    for (const [name, type] of Object.entries(types)) {
      // Objects keep such names in another order than they were written in.
      if (/^\d+$/.test(name)) throw typeError(name, "struct(): a field's name");
      const cell = cellOf(type, name);
      const offset = roundUp(end, cell.alignment);
      fields.push({ name, offset, cell });
      end = checkSize(offset + cell.size, "struct()");
      alignment = Math.max(alignment, cell.alignment);
    }
    this.fields = fields;
    this.size = roundUp(end, alignment);
    this.alignment = alignment;
  }

  read(view: DataView, offset: number, label: string): Record<string, unknown> {
    return Object.fromEntries(
      this.fields.map(({ name, offset: at, cell }) =>
        [name, cell.read(view, offset + at, label === "" ? name : `${label}.${name}`)] as const
      ),
    );
  }

  write(view: DataView, offset: number, value: unknown, label: string): void {
    const given = value as Readonly<Record<string, unknown>>;
    if (typeof value !== "object" || value === null) {
      throw valueError(label || "struct", "an object", value);
    }
    const known = new Set(this.fields.map(({ name }) => name));
    const wrong = Object.keys(given).find((name) => !known.has(name));
    if (wrong !== undefined) throw typeError(wrong, `${label || "struct"}: a field's name`);
    for (const { name, offset: at, cell } of this.fields) {
      cell.write(view, offset + at, given[name], label === "" ? name : `${label}.${name}`);
    }
  }
}

class Layout<F extends Fields> implements Struct<F> {
  readonly fields: F;
  readonly size: number;
  readonly alignment: number;
  readonly cell: StructCell;

  constructor(fields: F) {
    if (typeof fields !== "object" || fields === null || Object.keys(fields).length === 0) {
      throw typeError(fields, "struct()");
    }
    this.fields = { ...fields };
    this.cell = new StructCell(this.fields);
    this.size = this.cell.size;
    this.alignment = this.cell.alignment;
  }

  offsetof(field: string): number {
    const found = this.cell.fields.find(({ name }) => name === field);
    if (found === undefined) throw typeError(field, "offsetof(): a field's name");
    return found.offset;
  }

  read(source: Pointer | BufferLike, byteOffset = 0): StructValue<F> {
    return this.cell.read(this.#view(source, byteOffset, "read()"), 0, "") as StructValue<F>;
  }

  write(target: Pointer | BufferLike, value: StructInput<F>, byteOffset = 0): void {
    this.cell.write(this.#view(target, byteOffset, "write()"), 0, value, "");
  }

  encode(value: StructInput<F>): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(new ArrayBuffer(this.size));
    this.write(bytes, value);
    return bytes;
  }

  /** The struct's own bytes, wherever they are. */
  #view(place: Pointer | BufferLike, byteOffset: number, label: string): DataView {
    if (typeof place === "object" && place !== null) {
      const { buffer, byteOffset: start, length } = bytesOf(place, label);
      if (Number.isInteger(byteOffset) && byteOffset >= 0 && byteOffset + this.size <= length) {
        return new DataView(buffer, start + byteOffset, this.size);
      }
    } else if (Number.isSafeInteger(byteOffset)) {
      const address = checkPointer(checkPointer(place, label) + BigInt(byteOffset), label);
      return new DataView(mapMemory(address, this.size));
    }
    throw new FfiError(
      "ENETJS_ERR_FFI_RANGE",
      `${label}: ${this.size} bytes from ${show(byteOffset)} on are not in the buffer`,
      { value: byteOffset },
    );
  }
}

/** How a type lies in memory. */
function cellOf(type: unknown, label: string): Cell {
  if (type instanceof Layout) return type.cell;
  if (type instanceof ArrayLayout) return type;
  const scalar = scalarOf(type);
  if (scalar === undefined) throw typeError(type, label);
  return new ScalarCell(scalar, label);
}

/** The layout behind a type, if it is a struct. */
export function structOf(type: unknown): Struct<Fields> | undefined {
  return type instanceof Layout ? type : undefined;
}

/**
 * Lays out a struct as C does. As a parameter's or result's type it stands for a pointer to it.
 *
 * @param fields names and types in C's order
 * @throws {FfiError} `ENETJS_ERR_FFI_TYPE` for a type that cannot be a field, `ENETJS_ERR_FFI_RANGE`
 *   above 4 GiB
 *
 * @example
 * ```ts
 * import { array, struct } from "@enetjs/enet/ffi";
 *
 * const Point = struct({ x: "double", y: "double" });
 * const Path = struct({ closed: "bool", length: "int", points: array(Point, 2) });
 * const bytes = Path.encode({ closed: true, length: 1, points: [{ x: 1, y: 2 }, { x: 0, y: 0 }] });
 * console.log(Path.size, Path.offsetof("points"), Path.read(bytes).points[0].y); // 40 8 2
 * ```
 */
export function struct<const F extends Fields>(fields: F): Struct<F> {
  return new Layout(fields);
}

/**
 * An array of a fixed length, as a field of a struct.
 *
 * @param element the type of its elements
 * @param length how many there are
 * @throws {FfiError} `ENETJS_ERR_FFI_TYPE`, `ENETJS_ERR_FFI_RANGE`
 */
export function array<const E extends FieldType, const N extends number>(
  element: E,
  length: N,
): ArrayType<E, N> {
  return new ArrayLayout(element, length) as ArrayType<FieldType, number> as ArrayType<E, N>;
}

/**
 * The size of a type in bytes, as C's `sizeof`.
 *
 * @throws {FfiError} `ENETJS_ERR_FFI_TYPE`
 */
export function sizeof(type: FieldType): number {
  return cellOf(type, "sizeof()").size;
}

/**
 * Where a field begins, as C's `offsetof`.
 *
 * @throws {FfiError} `ENETJS_ERR_FFI_TYPE` when there is no such struct or field
 */
export function offsetof<F extends Fields>(struct: Struct<F>, field: keyof F & string): number {
  if (structOf(struct) === undefined) throw typeError(struct, "offsetof()");
  return struct.offsetof(field);
}
