/**
 * Charts as SVG, in the colours of the page around them.
 *
 * @module
 */

/** A line of a chart. */
export interface Series {
  readonly name: string;
  /** Its values, one for each x. */
  readonly values: readonly number[];
}

const WIDTH = 640;
const HEIGHT = 200;
const LEFT = 56;
const BOTTOM = 24;
const TOP = 8;
const TICKS = 4;

/** Text within HTML. */
export function escapeHtml(text: string): string {
  const entities: Record<string, string> = {
    "&": "&amp;",
    "<": "&lt;",
    ">": "&gt;",
    '"': "&quot;",
  };
  return text.replace(/[&<>"]/g, (character) => entities[character]);
}

/** A number for an axis: 12,000 is 12k. */
export function short(value: number): string {
  const [unit, name] = value >= 1e9
    ? [1e9, "G"]
    : value >= 1e6
    ? [1e6, "M"]
    : value >= 1e4
    ? [1e3, "k"]
    : [1, ""];
  return `${Number((value / unit).toPrecision(3))}${name}`;
}

/** The next number of 1, 2 or 5 times a power of ten. */
function roundUp(value: number): number {
  if (value <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return power * [1, 2, 5, 10].find((step) => step * power >= value)!;
}

/** The axes, for values up to a limit. */
function axes(limit: number, first: string, last: string): string {
  const lines = Array.from({ length: TICKS + 1 }, (_, index) => {
    const y = TOP + (HEIGHT - TOP - BOTTOM) * (1 - index / TICKS);
    return `<line class="grid" x1="${LEFT}" x2="${WIDTH}" y1="${y}" y2="${y}"/>` +
      `<text x="${LEFT - 6}" y="${y + 4}" text-anchor="end">${short(limit * index / TICKS)}</text>`;
  });
  const y = HEIGHT - 6;
  return `${lines.join("")}<text x="${LEFT}" y="${y}">${escapeHtml(first)}</text>` +
    `<text x="${WIDTH}" y="${y}" text-anchor="end">${escapeHtml(last)}</text>`;
}

function figure(title: string, unit: string, content: string, names: readonly string[]): string {
  const legend = names.map((name, index) => `<span class="s${index}">${escapeHtml(name)}</span>`);
  const caption = `${escapeHtml(title)} <small>${escapeHtml(unit)}</small> ${legend.join(" ")}`;
  return `<figure><figcaption>${caption}</figcaption>` +
    `<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${
      escapeHtml(title)
    }">${content}</svg></figure>\n`;
}

/**
 * Lines over time.
 *
 * @param unit of the values
 * @param seconds the x of each value
 */
export function lineChart(
  title: string,
  unit: string,
  seconds: readonly number[],
  series: readonly Series[],
): string {
  const highest = (values: readonly number[]) => values.reduce((a, b) => Math.max(a, b), 0);
  const limit = roundUp(highest(series.map(({ values }) => highest(values))));
  const last = seconds.at(-1) ?? 0;
  const x = (second: number) => LEFT + (WIDTH - LEFT) * (last > 0 ? second / last : 0);
  const y = (value: number) => TOP + (HEIGHT - TOP - BOTTOM) * (1 - value / limit);
  const lines = series.map(({ values }, index) => {
    const step = Math.ceil(values.length / WIDTH); // not more points than pixels
    const points = values.flatMap((value, i) =>
      i % step === 0 ? [`${x(seconds[i]).toFixed(1)},${y(value).toFixed(1)}`] : []
    );
    return `<polyline class="s${index}" points="${points.join(" ")}"/>`;
  });
  const names = series.length > 1 ? series.map(({ name }) => name) : [];
  return figure(title, unit, axes(limit, "0 s", `${last} s`) + lines.join(""), names);
}
