/**
 * The npm package `@opentelemetry/api`: an optional peer dependency, which is loaded when a program asks for it without
 * a meter of its own. Only a part of it is declared here, so that nothing depends on its types.
 *
 * @module
 */
import { ENetError } from "../errors.ts";
import { installLine } from "../internal/optional_package.ts";

/** The attributes of a number. */
export type Attributes = Readonly<Record<string, string>>;

/** An instrument whose numbers are asked for. */
export type Observable = object;

/** Takes the numbers of instruments. */
export interface BatchResult {
  observe(instrument: Observable, value: number, attributes?: Attributes): void;
}

/** Is called when numbers are asked for. */
export type BatchCallback = (result: BatchResult) => void;

/** The part of a `Meter` of `@opentelemetry/api` that is used here. */
export interface OpenTelemetryMeter {
  /** Makes an instrument whose numbers may fall. */
  createObservableGauge(name: string, options?: { description?: string; unit?: string }): object;
  /** Makes an instrument whose numbers only grow. */
  createObservableCounter(name: string, options?: { description?: string; unit?: string }): object;
  /** Has a function called for the numbers of some instruments, at each export. */
  // deno-lint-ignore no-explicit-any -- the package has narrower types of its own for the parameters
  addBatchObservableCallback(callback: (result: any) => void, instruments: any[]): void;
  /** Ends that. */
  // deno-lint-ignore no-explicit-any -- as above
  removeBatchObservableCallback(callback: (result: any) => void, instruments: any[]): void;
}

interface Api {
  readonly metrics: { getMeter(name: string): OpenTelemetryMeter };
}

const PACKAGE = "@opentelemetry/api";

/**
 * The meter of this library, of the provider that the program or its runtime has registered.
 *
 * @throws {ENetError} `ENETJS_ERR_LIBRARY` when the package can't be loaded
 */
export async function loadMeter(): Promise<OpenTelemetryMeter> {
  let api: Api;
  try {
    api = await import(PACKAGE);
  } catch (cause) {
    const { message } = cause as Error;
    throw new ENetError(
      "ENETJS_ERR_LIBRARY",
      `the package ${PACKAGE} can't be loaded; install it: ${installLine(PACKAGE)}. ${message}`,
      { cause },
    );
  }
  return api.metrics.getMeter("@enetjs/enet");
}
