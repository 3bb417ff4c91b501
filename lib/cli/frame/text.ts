/**
 * Text for a terminal.
 *
 * @module
 */

// deno-lint-ignore no-control-regex
const ESCAPE = /\x1b\[[0-9;?]*[A-Za-z]/y;

/** Breaks text into lines of at most so many columns. A longer word has a line of its own. */
export function wrap(text: string, columns: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && line.length + 1 + word.length > columns) {
      lines.push(line);
      line = word;
    } else line = line === "" ? word : `${line} ${word}`;
  }
  return [...lines, line];
}

/** Cuts a line after so many columns. Its styles do not count, and all of them are kept. */
export function cut(line: string, columns: number): string {
  let kept = "";
  let width = 0;
  for (let at = 0; at < line.length;) {
    ESCAPE.lastIndex = at;
    const escape = ESCAPE.exec(line)?.[0];
    if (escape === undefined) {
      const character = String.fromCodePoint(line.codePointAt(at)!);
      if (width++ < columns) kept += character;
      at += character.length;
    } else {
      kept += escape;
      at += escape.length;
    }
  }
  return kept;
}

/** Text of strangers on one line, without what terminals obey: control characters are escaped. */
export function printable(text: string): string {
  return text.replace(
    /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu,
    (character) => `\\u{${character.codePointAt(0)!.toString(16)}}`,
  );
}

/** The same in quotation marks, as JSON has it. */
export function quoted(text: string): string {
  return printable(JSON.stringify(text));
}

/** A cell of a table. Numbers stand on the right. */
export type Cell = string | number;

/**
 * Lays out a table: columns are two spaces apart, and as wide as their widest cell. Cells have no styles.
 *
 * @returns its lines
 */
export function table(rows: readonly (readonly Cell[])[]): string[] {
  const widths: number[] = [];
  for (const row of rows) {
    row.forEach((cell, index) => {
      widths[index] = Math.max(widths[index] ?? 0, `${cell}`.length);
    });
  }
  const lay = (cell: Cell, index: number) =>
    typeof cell === "number" ? `${cell}`.padStart(widths[index]) : cell.padEnd(widths[index]);
  return rows.map((row) => row.map(lay).join("  ").trimEnd());
}
