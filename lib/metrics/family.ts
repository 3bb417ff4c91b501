/**
 * What a source of metrics tells: families of samples, as OpenMetrics has them.
 *
 * @module
 */

/** The values that something has now, in classes. Each bound belongs to the class below it. */
export interface Distribution {
  /** The upper bounds of the classes but the last one, which has none; they ascend. */
  readonly bounds: readonly number[];
  /** How many values each class has; one number more than there are bounds. */
  readonly counts: readonly number[];
  /** The sum of the values. */
  readonly sum: number;
}

/** One number of a family; or a distribution, where the type of the family is `"gaugehistogram"`. */
export interface MetricSample {
  /** The labels, such as `{ cause: "full" }`. A name is `[a-zA-Z_][a-zA-Z0-9_]*`; a value is any text. Default none. */
  readonly labels?: Readonly<Record<string, string>>;
  /** The value. */
  readonly value: number | Distribution;
}

/** Samples of one kind, with one name. */
export interface MetricFamily {
  /**
   * The name, such as `enet_host_received_bytes`: `[a-zA-Z_][a-zA-Z0-9_]*`. Of a counter it lacks `_total`, which the
   * text adds. It ends with the unit, where there is one: `_seconds`, `_bytes` or `_ratio`.
   */
  readonly name: string;
  /** A counter only grows, until its source ends. A gauge histogram has distributions of values of now. */
  readonly type: "counter" | "gauge" | "gaugehistogram";
  /** What it is, in one line, without a full stop. */
  readonly help: string;
  /** The samples; no two have the same labels. */
  readonly samples: readonly MetricSample[];
}

/** The base units that a name may end with, and what OpenTelemetry calls them. */
const UNITS = { seconds: "s", bytes: "By", ratio: "1" } as const;

/** A base unit. */
export interface Unit {
  /** As a name ends with it. */
  readonly name: keyof typeof UNITS;
  /** As OpenTelemetry writes it. */
  readonly code: string;
}

/** The unit that the name of a family ends with. */
export function unitOf({ name }: MetricFamily): Unit | undefined {
  const end = name.slice(name.lastIndexOf("_") + 1);
  return Object.hasOwn(UNITS, end)
    ? { name: end as Unit["name"], code: UNITS[end as Unit["name"]] }
    : undefined;
}

/** How many values a distribution has up to each bound; the last number is of all of them. */
export function cumulated({ counts }: Distribution): number[] {
  let sum = 0;
  return counts.map((count) => sum += count);
}

/** Puts values into classes. */
export class Histogram implements Distribution {
  readonly bounds: readonly number[];
  readonly counts: number[];
  sum = 0;

  constructor(bounds: readonly number[]) {
    this.bounds = bounds;
    this.counts = Array(bounds.length + 1).fill(0);
  }

  /** Adds a value. */
  add(value: number): void {
    const { bounds } = this;
    let index = 0;
    while (index < bounds.length && value > bounds[index]) index++;
    this.counts[index]++;
    this.sum += value;
  }
}
