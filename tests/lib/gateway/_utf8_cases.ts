/**
 * Byte sequences at and beyond the limits of UTF-8, as the public list of Autobahn's section 6 names them, which follows
 * Markus Kuhn's decoder test.
 *
 * @module
 */
import { Buffer } from "node:buffer";

/** A case: its number, the bytes, whether they are UTF-8. */
export type Utf8Case = readonly [number: string, bytes: Buffer, isValid: boolean];

const hex = (digits: string) => Buffer.from(digits.replaceAll(" ", ""), "hex");

/** Numbers the sequences of a group: `6.5.1`, `6.5.2`, … */
function group(section: string, isValid: boolean, sequences: readonly string[]): Utf8Case[] {
  return sequences.map((digits, i) => [`${section}.${i + 1}`, hex(digits), isValid] as const);
}

/** The Greek word of the stress test. */
const WORD = "cebae1bdb9cf83cebcceb5";

/** Prefixes of the word; those that end between two characters are valid. */
const PREFIXES: Utf8Case[] = Array.from({ length: 11 }, (_, i) => {
  const bytes = hex(WORD).subarray(0, i + 1);
  return [`6.6.${i + 1}`, bytes, [2, 5, 7, 9, 11].includes(bytes.length)] as const;
});

const range = (first: number, last: number, bytes: (value: number) => string) =>
  Array.from({ length: last - first + 1 }, (_, i) => bytes(first + i)).join("");

const byte = (value: number) => value.toString(16).padStart(2, "0");

/** Start characters, each before a space. */
const lonely = (first: number, last: number) => range(first, last, (value) => `${byte(value)}20`);

/** What is missing its last byte. */
const CUT = ["c0", "e080", "f08080", "f8808080", "fc80808080", "df", "efbf", "f7bfbf", "fbbfbfbf"]
  .concat("fdbfbfbfbf");

/** The last two code points of each plane, which are no characters but valid. */
const NONCHARACTERS = Array.from(
  { length: 17 },
  (_, plane) =>
    [0xFFFE, 0xFFFF].map((low) =>
      Buffer.from(String.fromCodePoint(plane * 0x10000 + low)).toString("hex")
    ),
).flat();

/** All cases. */
export const UTF8_CASES: readonly Utf8Case[] = [
  ...group("6.5", true, ["68656c6c6f24776f726c64", "68656c6c6fc2a2776f726c64"]),
  ["6.5.3", hex("68656c6c6fe282ac776f726c64"), true],
  ["6.5.4", hex("68656c6c6ff0a4ada2776f726c64"), true],
  ["6.5.5", hex(WORD), true],
  ...PREFIXES,
  ...group("6.7", true, ["00", "c280", "e0a080", "f0908080"]),
  ...group("6.8", false, ["f888808080", "fc8480808080"]),
  ...group("6.9", true, ["7f", "dfbf", "efbfbf", "f48fbfbf"]),
  ...group("6.10", false, ["f7bfbfbf", "fbbfbfbfbf", "fdbfbfbfbfbf"]),
  ...group("6.11", true, ["ed9fbf", "ee8080", "efbfbd", "f48fbfbf"]),
  ["6.11.5", hex("f4908080"), false],
  ...group("6.12", false, ["80", "bf", "80bf", "80bf80", "80bf80bf", "80bf80bf80"]),
  ["6.12.7", hex("80bf80bf80bf"), false],
  ["6.12.8", hex(range(0x80, 0xBF, byte)), false],
  ...group("6.13", false, [
    ...[lonely(0xC0, 0xDF), lonely(0xE0, 0xEF), lonely(0xF0, 0xF7), lonely(0xF8, 0xFB)],
    lonely(0xFC, 0xFD),
  ]),
  ...group("6.14", false, CUT),
  ["6.15.1", hex(CUT.join("")), false],
  ...group("6.16", false, ["fe", "ff", "fefeffff"]),
  ...group("6.17", false, ["c0af", "e080af", "f08080af", "f8808080af", "fc80808080af"]),
  ...group("6.18", false, ["c1bf", "e09fbf", "f08fbfbf", "f887bfbfbf", "fc83bfbfbfbf"]),
  ...group("6.19", false, ["c080", "e08080", "f0808080", "f880808080", "fc8080808080"]),
  ...group("6.20", false, ["eda080", "edadbf", "edae80", "edafbf", "edb080", "edbe80", "edbfbf"]),
  ...group("6.21", false, [
    ...["eda080edb080", "eda080edbfbf", "edadbfedb080", "edadbfedbfbf", "edae80edb080"],
    ...["edae80edbfbf", "edafbfedb080", "edafbfedbfbf"],
  ]),
  ...group("6.22", true, NONCHARACTERS),
  ...group("6.23", true, [
    ...["efbfb9", "efbfba", "efbfbb", "efbfbc", "efbfbd", "efbfbe", "efbfbf"],
  ]),
];
