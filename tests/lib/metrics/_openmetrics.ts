/**
 * A reader of OpenMetrics text that refuses what the specification forbids.
 *
 * Source: https://prometheus.io/docs/specs/om/open_metrics_spec/#abnf
 *
 * @module
 */
import assert from "node:assert/strict";

/** A sample. */
export interface Sample {
  /** With its suffix. */
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** A family. */
export interface Family {
  readonly name: string;
  readonly type: string;
  readonly unit: string | undefined;
  readonly help: string;
  readonly samples: Sample[];
}

const NAME = "[a-zA-Z_:][a-zA-Z0-9_:]*";
const ESCAPED = String.raw`(?:[^\\"\n]|\\[n"\\])*`;
const LABELS = new RegExp(`([a-zA-Z_][a-zA-Z0-9_]*)="(${ESCAPED})"(,|$)`, "y");

const unescape = (text: string) => text.replace(/\\([n"\\])/g, (_, c) => c === "n" ? "\n" : c);

/** The suffixes of the samples of each type. */
const SUFFIXES: Readonly<Record<string, readonly string[]>> = {
  counter: ["_total"],
  gauge: [""],
  gaugehistogram: ["_bucket", "_gcount", "_gsum"],
};

function labelsOf(text: string, line: string): Record<string, string> {
  const labels: Record<string, string> = {};
  LABELS.lastIndex = 0;
  while (LABELS.lastIndex < text.length) {
    const match = LABELS.exec(text);
    assert.ok(match, `the labels of ${line}`);
    assert.ok(!Object.hasOwn(labels, match[1]), `a label comes once: ${line}`);
    labels[match[1]] = unescape(match[2]);
  }
  return labels;
}

function sampleOf(line: string): Sample {
  const match = line.match(new RegExp(`^(${NAME})(?:\\{(.*)\\})? (\\S+)$`));
  assert.ok(match, `a sample: ${line}`);
  const [, name, labels = "", value] = match;
  assert.match(value, /^[-+]?(\d+(\.\d+)?(e[-+]?\d+)?|Inf)$|^NaN$/i, line);
  return { name, labels: labelsOf(labels, line), value: Number(value.replace("Inf", "Infinity")) };
}

/** The classes of a distribution grow, and the last one has all values. */
function checkDistribution({ name, samples }: Family): void {
  const rows = new Map<string, Sample[]>();
  for (const sample of samples.filter(({ name }) => name.endsWith("_bucket"))) {
    const { le: _, ...labels } = sample.labels;
    const key = JSON.stringify(labels);
    rows.set(key, [...rows.get(key) ?? [], sample]);
  }
  for (const [key, row] of rows) {
    const bounds = row.map(({ labels }) => Number(labels.le.replace("+Inf", "Infinity")));
    assert.deepEqual(bounds, bounds.toSorted((a, b) => a - b), name);
    assert.equal(bounds.at(-1), Infinity, name);
    const counts = row.map(({ value }) => value);
    assert.deepEqual(counts, counts.toSorted((a, b) => a - b), name);
    const all = samples.find((sample) =>
      sample.name === `${name}_gcount` && JSON.stringify(sample.labels) === key
    );
    assert.equal(all?.value, counts.at(-1), name);
  }
}

/** Reads a text. */
export function parse(text: string): Family[] {
  assert.ok(text.endsWith("# EOF\n"), "the text ends");
  const lines = text.slice(0, -"# EOF\n".length).split("\n").slice(0, -1);
  const families: Family[] = [];
  let head: Record<string, string> = {};
  for (const line of lines) {
    const meta = line.match(new RegExp(`^# (HELP|TYPE|UNIT) (${NAME}) (.*)$`));
    if (meta === null) {
      if (head.TYPE !== undefined) {
        const { name, TYPE, UNIT, HELP } = head;
        assert.ok(Object.hasOwn(SUFFIXES, TYPE), line);
        assert.ok(!families.some((family) => family.name === name), `${name} comes once`);
        if (UNIT !== undefined) assert.ok(name.endsWith(`_${UNIT}`), `${name} ends with ${UNIT}`);
        families.push({ name, type: TYPE, unit: UNIT, help: HELP, samples: [] });
        head = {};
      }
      const family = families.at(-1)!;
      const sample = sampleOf(line);
      assert.ok(
        SUFFIXES[family.type].some((suffix) => sample.name === family.name + suffix),
        `${sample.name} belongs to ${family.name}`,
      );
      const isTwice = family.samples.some(({ name, labels }) =>
        name === sample.name && JSON.stringify(labels) === JSON.stringify(sample.labels)
      );
      assert.ok(!isTwice, `once: ${line}`);
      family.samples.push(sample);
      continue;
    }
    const [, kind, name, value] = meta;
    assert.match(value, new RegExp(`^${ESCAPED}$`), line);
    // A family without samples has its lines all the same.
    if (head.name !== undefined && head.name !== name) head = {};
    assert.ok(!Object.hasOwn(head, kind), `${kind} comes once: ${line}`);
    head = { ...head, name, [kind]: unescape(value) };
  }
  for (const family of families) if (family.type === "gaugehistogram") checkDistribution(family);
  return families;
}

/** The value of a sample whose labels are among others these. */
export function valueOf(
  families: readonly Family[],
  name: string,
  labels: Readonly<Record<string, string>> = {},
): number {
  const sample = families.flatMap(({ samples }) => samples).find((sample) =>
    sample.name === name &&
    Object.entries(labels).every(([key, value]) => sample.labels[key] === value)
  );
  assert.ok(sample, `${name} ${JSON.stringify(labels)}`);
  return sample.value;
}
