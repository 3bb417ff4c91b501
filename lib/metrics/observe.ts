/**
 * Metrics through OpenTelemetry. Each family is an observable instrument, and the numbers are collected once for each
 * export, so that nothing is counted in between.
 *
 * OpenTelemetry has no observable histogram. So a distribution is given as its classes, in the way of Prometheus:
 * `….bucket` with the attribute `le`, `….gcount` and `….gsum`. The names are such that the translation of
 * OpenTelemetry to Prometheus gives the names that `metrics()` has:
 * https://opentelemetry.io/docs/specs/otel/compatibility/prometheus_and_openmetrics/
 *
 * @module
 */
import { options as checkOptions, show } from "../internal/validate.ts";
import {
  type BatchResult,
  loadMeter,
  type Observable,
  type OpenTelemetryMeter,
} from "./_opentelemetry.ts";
import { cumulated, type Distribution, type MetricFamily, unitOf } from "./family.ts";
import { type MetricsOptions, planMetrics } from "./metrics.ts";
import { type MetricSources, Sources } from "./sources.ts";
import { boundText } from "./text.ts";

/** Options of {@linkcode observeMetrics}. */
export interface ObserveOptions extends MetricsOptions {
  /**
   * The meter that gets the instruments. Default: that of the provider which is registered with `@opentelemetry/api`,
   * under the name `@enetjs/enet`. The package has to be installed then.
   */
  readonly meter?: OpenTelemetryMeter;
}

/** A number of an instrument. */
interface Observation {
  readonly name: string;
  readonly isCounter: boolean;
  readonly help: string;
  readonly unit: string;
  readonly value: number;
  readonly attributes: Readonly<Record<string, string>>;
}

/** `enet_host_received_bytes` is `enet.host.received` in bytes. */
function instrumentName(family: MetricFamily): string {
  const unit = unitOf(family);
  const name = unit === undefined ? family.name : family.name.slice(0, -unit.name.length - 1);
  return dotted(name);
}

const dotted = (name: string) => name.replace(/^(enet)_([a-z]+)_/, "$1.$2.");

function* distributed(family: MetricFamily): Generator<Observation> {
  const name = dotted(family.name);
  const common = { isCounter: false, help: family.help };
  for (const { labels = {}, value } of family.samples) {
    const distribution = value as Distribution;
    const { bounds, sum } = distribution;
    const counts = cumulated(distribution);
    for (const [index, count] of counts.entries()) {
      const le = index < bounds.length ? boundText(bounds[index]) : "+Inf";
      const attributes = { ...labels, le };
      yield { ...common, name: `${name}.bucket`, unit: "", value: count, attributes };
    }
    yield {
      ...common,
      name: `${name}.gcount`,
      unit: "",
      value: counts.at(-1)!,
      attributes: labels,
    };
    yield { ...common, name: `${name}.gsum`, unit: "", value: sum, attributes: labels };
  }
}

function* observations(families: readonly MetricFamily[]): Generator<Observation> {
  for (const family of families) {
    if (family.type === "gaugehistogram") {
      yield* distributed(family);
      continue;
    }
    const common = {
      name: instrumentName(family),
      isCounter: family.type === "counter",
      help: family.help,
      unit: unitOf(family)?.code ?? "",
    };
    for (const { labels = {}, value } of family.samples) {
      yield { ...common, value: value as number, attributes: labels };
    }
  }
}

/** The instruments of some sources, until it is disposed of. */
class Observer implements Disposable {
  readonly #meter: OpenTelemetryMeter;
  readonly #collect: () => MetricFamily[];
  readonly #instruments = new Map<string, Observable>();
  /** Those that the callback is registered with; undefined once it is over. */
  #registered: Observable[] | undefined;
  readonly #callback = (result: BatchResult) => this.#observe(result);

  constructor(meter: OpenTelemetryMeter, collect: () => MetricFamily[]) {
    this.#meter = meter;
    this.#collect = collect;
    for (const observation of observations(collect())) this.#instrumentOf(observation);
    this.#register();
  }

  #instrumentOf({ name, isCounter, help, unit }: Observation): Observable {
    let instrument = this.#instruments.get(name);
    if (instrument === undefined) {
      const options = { description: help, unit };
      instrument = isCounter
        ? this.#meter.createObservableCounter(name, options)
        : this.#meter.createObservableGauge(name, options);
      this.#instruments.set(name, instrument);
    }
    return instrument;
  }

  #register(): void {
    this[Symbol.dispose]();
    this.#registered = [...this.#instruments.values()];
    this.#meter.addBatchObservableCallback(this.#callback, this.#registered);
  }

  /** A family that a source did not have before is observed from the next time on. */
  #observe(result: BatchResult): void {
    const known = new Set(this.#registered);
    for (const observation of observations(this.#collect())) {
      const instrument = this.#instrumentOf(observation);
      const { value, attributes } = observation;
      if (known.has(instrument)) result.observe(instrument, value, attributes);
    }
    if (this.#instruments.size > known.size) this.#register();
  }

  [Symbol.dispose](): void {
    if (this.#registered === undefined) return;
    this.#meter.removeBatchObservableCallback(this.#callback, this.#registered);
    this.#registered = undefined;
  }
}

/**
 * Gives the metrics of hosts and other sources to OpenTelemetry, as observable instruments: `enet.host.received` in
 * bytes is what `metrics()` calls `enet_host_received_bytes_total`. They are collected once for each export.
 *
 * On Deno, `OTEL_DENO=true` is all that is needed beside it. On Node and Bun, the program registers a provider, such as
 * that of `@opentelemetry/sdk-node`, before it calls this.
 *
 * @param sources a host, another source, or several
 * @param options the meter, and whether each peer has numbers of its own
 * @returns what ends it, when it is disposed of
 * @throws {TypeError} for what is no source or no meter, and for an unknown option
 * @throws {ENetError} `ENETJS_ERR_LIBRARY` when there is no `meter`, and the package `@opentelemetry/api` is not
 *   installed
 */
export async function observeMetrics(
  sources: MetricSources,
  options: ObserveOptions = {},
): Promise<Disposable> {
  checkOptions(options, "options", ["peers", "meter"]);
  const { meter, ...rest } = options;
  const { peers } = planMetrics(rest);
  if (meter !== undefined && typeof meter?.addBatchObservableCallback !== "function") {
    throw new TypeError(`meter must be a Meter of OpenTelemetry, not ${show(meter)}`);
  }
  const checked = new Sources(sources);
  return new Observer(meter ?? await loadMeter(), () => checked.families(peers));
}
