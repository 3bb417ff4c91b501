/**
 * What tells metrics: hosts, and others beside them.
 *
 * @module
 */
import { Host } from "../host.ts";
import { show } from "../internal/validate.ts";
import type { MetricFamily } from "./family.ts";
import { hostFamilies } from "./host_families.ts";

/** Something beside hosts that tells metrics, such as a `Gateway`. */
export interface MetricCollector {
  /** What it tells now. */
  metrics(): Iterable<MetricFamily>;
}

/** What tells metrics: a host, something with a method `metrics`, or a function. */
export type MetricSource = Host | MetricCollector | (() => Iterable<MetricFamily>);

/** One source or several. */
export type MetricSources = MetricSource | Iterable<MetricSource>;

function isCollector(value: unknown): value is MetricCollector {
  return typeof value === "object" && value !== null &&
    typeof (value as Partial<MetricCollector>).metrics === "function";
}

const isIterable = (value: unknown): value is Iterable<MetricSource> =>
  typeof value === "object" && value !== null && Symbol.iterator in value;

/** Checked sources. */
export class Sources {
  readonly hosts: readonly Host[];
  readonly #collectors: readonly (() => Iterable<MetricFamily>)[];

  /** @throws {TypeError} For what is no source. */
  constructor(sources: MetricSources) {
    const hosts: Host[] = [];
    const collectors: (() => Iterable<MetricFamily>)[] = [];
    const list = isCollector(sources) || !isIterable(sources) ? [sources] : sources;
    for (const source of list) {
      if (source instanceof Host) hosts.push(source);
      else if (typeof source === "function") collectors.push(source);
      else if (isCollector(source)) collectors.push(() => source.metrics());
      else {
        throw new TypeError(
          "A source of metrics must be a Host, an object with a method `metrics`, or a function, " +
            `not ${show(source)}`,
        );
      }
    }
    this.hosts = [...new Set(hosts)];
    this.#collectors = collectors;
  }

  /** What the sources beside hosts tell now; families of one name are put together. */
  others(): MetricFamily[] {
    const merged = new Map<string, MetricFamily>();
    for (const collect of this.#collectors) {
      for (const family of collect()) {
        const before = merged.get(family.name);
        if (before !== undefined && before.type !== family.type) {
          throw new TypeError(
            `Two sources of metrics have ${family.name}, as a ${before.type} and as a ${family.type}`,
          );
        }
        const samples = [...before?.samples ?? [], ...family.samples];
        merged.set(family.name, { ...family, samples });
      }
    }
    return [...merged.values()];
  }

  /**
   * What all sources tell now.
   *
   * @param each whether each peer has samples of its own
   */
  families(each: boolean): MetricFamily[] {
    return [...hostFamilies(this.hosts, each), ...this.others()];
  }
}

/**
 * The same source with more labels: two gateways of one process need them, because their metrics have the same names.
 *
 * @param labels such as `{ gateway: "lobby" }`
 */
export function labelled(
  source: Exclude<MetricSource, Host>,
  labels: Readonly<Record<string, string>>,
): MetricCollector {
  const { metrics: collect } = typeof source === "function"
    ? { metrics: source }
    : { metrics: () => source.metrics() };
  return {
    metrics: () =>
      Array.from(collect(), (family) => ({
        ...family,
        samples: family.samples.map((sample) => ({
          ...sample,
          labels: { ...sample.labels, ...labels },
        })),
      })),
  };
}
