/**
 * What all figures have in common: their colours in light and dark mode, and a title that says what they show.
 *
 * @module
 */
// Only figures need them, so they are not among the imports in deno.json.
// deno-lint-ignore no-import-prefix
import * as Plot from "npm:@observablehq/plot@0.6.17";
// deno-lint-ignore no-import-prefix
import { parseHTML } from "npm:linkedom@0.18.12";
import { mkdirSync, writeFileSync } from "node:fs";
import { root } from "../tools/_run.ts";

export { Plot };

/** The names of the runtimes, in the order in which figures have them. */
export const RUNTIMES: readonly string[] = ["deno", "bun", "node"];
const WIDTH = 800;
const TITLE_HEIGHT = 34;

/** The colours, in light and in dark mode. Each is a variable of the figure: `var(--deno)`. */
const THEMES = {
  light: {
    ...{ paper: "#ffffff", ink: "#1f2328", line: "#d0d7de", c: "#656d76", other: "#9a6fb0" },
    ...{ deno: "#2f5fc4", bun: "#b26a00", node: "#2b8a3e" },
  },
  dark: {
    ...{ paper: "#0d1117", ink: "#e6edf3", line: "#30363d", c: "#9198a1", other: "#c297d8" },
    ...{ deno: "#7aa2f7", bun: "#f0b132", node: "#5fc977" },
  },
};

/** What a program's name is drawn in. */
export const COLORS = {
  domain: ["c", ...RUNTIMES],
  range: ["c", ...RUNTIMES].map((name) => `var(--${name})`),
  unknown: "var(--other)",
};

type Page = { document: unknown };

/** A theme as the content of a rule. */
const declarations = (theme: Readonly<Record<string, string>>) =>
  Object.entries(theme).map(([name, color]) => `--${name}: ${color};`).join(" ");

/** Viewers that know no `prefers-color-scheme` show the light theme. */
const STYLE = `<style>:root { ${declarations(THEMES.light)} }
@media (prefers-color-scheme: dark) { :root { ${declarations(THEMES.dark)} } }</style>`;

/** Draws a plot with what it shows as its title, as a text that stands on its own. */
export function figure(title: string, options: Plot.PlotOptions): string {
  const { document } = parseHTML("<!doctype html><html><body></body></html>") as unknown as Page;
  const svg = Plot.plot({
    ...options,
    document: document as unknown as Plot.PlotOptions["document"],
    width: WIDTH,
    marginTop: 50,
    style: { background: "var(--paper)", color: "var(--ink)" },
  }) as unknown as { setAttribute(name: string, value: string): void; outerHTML: string };
  svg.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  svg.setAttribute("role", "img");
  // Above what Plot has drawn.
  const height = options.height! + TITLE_HEIGHT;
  svg.setAttribute("viewBox", `0 ${-TITLE_HEIGHT} ${WIDTH} ${height}`);
  svg.setAttribute("height", `${height}`);
  const heading =
    `<title>${title}</title>${STYLE}<text x="10" y="-12" text-anchor="start" font-size="15" ` +
    `font-weight="bold" fill="var(--ink)">${title}</text>`;
  const [start] = svg.outerHTML.match(/^<svg[^>]*>/)!;
  return `${start}${heading}${svg.outerHTML.slice(start.length)}\n`;
}

/** `"1.7 to 2.1"`: the least and greatest of some numbers, or what stands for none. */
export function range(values: readonly (number | null)[]): string {
  const numbers = values.filter((value) => value !== null);
  if (numbers.length === 0) return "?";
  const text = (value: number) => Number(value.toPrecision(2)).toString();
  const [least, greatest] = [Math.min(...numbers), Math.max(...numbers)].map(text);
  return least === greatest ? least : `${least} to ${greatest}`;
}

/** Draws figures into a folder: all of them, or those named. */
export function drawAll<Rows>(
  figures: Readonly<Record<string, (rows: Rows) => string>>,
  rows: Rows,
  folder: string = `${root}/bench/figures`,
  names: string[] = Object.keys(figures),
): void {
  mkdirSync(folder, { recursive: true });
  for (const name of names) {
    if (!(name in figures)) {
      throw new Error(`${name} is none of ${Object.keys(figures).join(", ")}`);
    }
    writeFileSync(`${folder}/${name}.svg`, figures[name](rows));
  }
}
