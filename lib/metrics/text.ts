/**
 * Families of metrics as text: OpenMetrics 1.0.0, or the older format of Prometheus, 0.0.4, for those that do not ask
 * for OpenMetrics.
 *
 * Sources: https://prometheus.io/docs/specs/om/open_metrics_spec/ and
 * https://prometheus.io/docs/instrumenting/exposition_formats/
 *
 * @module
 */
import { cumulated, type Distribution, type MetricFamily, unitOf } from "./family.ts";

/** The two formats, each by its media type. */
export const FORMATS = {
  openMetrics: "application/openmetrics-text; version=1.0.0; charset=utf-8",
  prometheus: "text/plain; version=0.0.4; charset=utf-8",
} as const;

/** A format. */
export type TextFormat = keyof typeof FORMATS;

/** The format that a client asks for by its header `Accept`. */
export function acceptedFormat(accept: string | undefined): TextFormat {
  return /\bapplication\/openmetrics-text\b/i.test(accept ?? "") ? "openMetrics" : "prometheus";
}

type Labels = Readonly<Record<string, string>>;

const NAME = /^[a-zA-Z_][a-zA-Z0-9_]*$/;

const ESCAPES: Readonly<Record<string, string>> = { "\\": "\\\\", '"': '\\"', "\n": "\\n" };

/** A text within quotes; OpenMetrics also escapes the help in this way. */
const escaped = (text: string) => text.replace(/[\\"\n]/g, (character) => ESCAPES[character]);

/** The older format leaves quotes in a help as they are. */
const escapedHelp = (text: string, format: TextFormat) =>
  format === "openMetrics" ? escaped(text) : text.replace(/[\\\n]/g, (c) => ESCAPES[c]);

/** A number as both formats write it. */
function number(value: number): string {
  if (Number.isFinite(value)) return `${value}`;
  return Number.isNaN(value) ? "NaN" : value > 0 ? "+Inf" : "-Inf";
}

/** A bound: OpenMetrics wants a float, `1.0`, so that a class has one name everywhere. */
export function boundText(bound: number): string {
  return Number.isInteger(bound) && bound < 1e21 ? `${bound}.0` : number(bound);
}

function checkedName(name: string, what: string): string {
  if (!NAME.test(name)) {
    throw new TypeError(`${what} must be letters, digits and _, not ${JSON.stringify(name)}`);
  }
  return name;
}

function labelText(labels: Labels): string {
  const pairs = Object.entries(labels).map(([name, value]) =>
    `${checkedName(name, "The name of a label")}="${escaped(value)}"`
  );
  return pairs.length === 0 ? "" : `{${pairs.join(",")}}`;
}

const line = (name: string, labels: Labels, value: number) =>
  `${name}${labelText(labels)} ${number(value)}\n`;

/** What stands above the samples of a family. */
function head(name: string, type: string, help: string, format: TextFormat, unit = ""): string {
  const unitLine = unit === "" || format !== "openMetrics" ? "" : `# UNIT ${name} ${unit}\n`;
  return `# HELP ${name} ${escapedHelp(help, format)}\n# TYPE ${name} ${type}\n${unitLine}`;
}

function buckets(name: string, labels: Labels, distribution: Distribution): string {
  const { bounds } = distribution;
  const samples = cumulated(distribution).map((count, index) => {
    const le = index < bounds.length ? boundText(bounds[index]) : "+Inf";
    return line(`${name}_bucket`, { ...labels, le }, count);
  });
  return samples.join("");
}

/**
 * A gauge histogram. The older format has no such type. There its classes are a histogram, and the count and the sum
 * are gauges, because they fall.
 */
function gaugeHistogram(family: MetricFamily, format: TextFormat): string {
  const { name, help, samples } = family;
  const each = (write: (labels: Labels, distribution: Distribution) => string) =>
    samples.map(({ labels = {}, value }) => write(labels, value as Distribution)).join("");
  const count = (labels: Labels, distribution: Distribution) =>
    line(`${name}_gcount`, labels, cumulated(distribution).at(-1)!);
  const sum = (labels: Labels, { sum }: Distribution) => line(`${name}_gsum`, labels, sum);
  if (format === "openMetrics") {
    const all = (labels: Labels, distribution: Distribution) =>
      buckets(name, labels, distribution) + count(labels, distribution) +
      sum(labels, distribution);
    return head(name, "gaugehistogram", help, format, unitOf(family)?.name) + each(all);
  }
  return head(name, "histogram", help, format) +
    each((labels, distribution) => buckets(name, labels, distribution)) +
    head(`${name}_gcount`, "gauge", help, format) + each(count) +
    head(`${name}_gsum`, "gauge", help, format) + each(sum);
}

function familyText(family: MetricFamily, format: TextFormat): string {
  const { name, type, help, samples } = family;
  checkedName(name, "The name of a metric");
  if (type === "gaugehistogram") return gaugeHistogram(family, format);
  const full = type === "counter" ? `${name}_total` : name;
  const named = format === "openMetrics" ? name : full;
  return head(named, type, help, format, unitOf(family)?.name) +
    samples.map(({ labels = {}, value }) => line(full, labels, value as number)).join("");
}

/**
 * Families as text.
 *
 * @param families families of different names
 * @throws {TypeError} For a name of a metric or of a label that is none.
 */
export function metricsText(
  families: readonly MetricFamily[],
  format: TextFormat = "openMetrics",
): string {
  const text = families.map((family) => familyText(family, format)).join("");
  return format === "openMetrics" ? `${text}# EOF\n` : text;
}
