/**
 * What workloads give to the conductor.
 *
 * @module
 */
import type { Runtime } from "../tools/setup.ts";
import type { Style } from "./programs/_common.ts";

/**
 * What carries requests: the library's messaging over `udp` or `tcp`; messages of its own between two
 * hosts; or something else.
 */
export type Carrier = "udp" | "tcp" | "host" | "http" | "grpc" | "nats";

/** One measured number. */
export interface Sample {
  workload: string;
  /** `c`, a runtime, or the name of a rival. */
  runtime: string;
  /** How events are taken; a C program's is `manual`. Of requests: what carries them. */
  style: Style | Carrier;
  metric: string;
  value: number;
}

/** A run of some programs, which takes a second or two and is done once in every round. */
export interface Job {
  /** The workloads it measures. */
  workloads: string[];
  /** What it measures, for the reader. */
  title: string;
  run(): Promise<Sample[]>;
}

/** What is to be measured. */
export interface Plan {
  runtimes: Runtime[];
  /** `full`; `quick` with less of everything; or `small`, which shows only that it works. */
  count: Count;
}

/** How much is measured. */
export type Count = "full" | "quick" | "small";

/** All styles; quick runs leave some to full ones. */
export const STYLES: Style[] = ["handler", "for-await", "manual"];

/** The samples of one program in one workload. */
export function samples(
  workload: string,
  runtime: string,
  style: Style | Carrier,
  values: Record<string, number>,
): Sample[] {
  return Object.entries(values).map(([metric, value]) => ({
    workload,
    runtime,
    style,
    metric,
    value,
  }));
}
