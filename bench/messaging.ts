/**
 * Puts the library's messaging beside its rivals and beside the library's own echo. The conductor does
 * it in every round; by hand, this says again what came of the last run, from `bench/out/latest.json`:
 *
 *     deno run -A bench/messaging.ts
 *
 * @module
 */
import { readFileSync } from "node:fs";
import { print, root } from "../tools/_run.ts";
import type { Sample } from "./_job.ts";
import type { Row } from "./_report.ts";

/** What carries requests in JavaScript, apart from this library. */
const RIVALS = ["http", "grpc", "nats"];

/** The metrics that compare. */
const TO_BEST_RIVAL = "times the best rival";
const TO_OWN_ECHO = "times the own echo's p50";

/** What is aimed at, over UDP. */
const TARGETS = [
  { workload: "messaging-64", metric: TO_BEST_RIVAL, least: 3 },
  { workload: "messaging-1", metric: TO_OWN_ECHO, most: 1.5 },
  { workload: "messaging-64", metric: TO_OWN_ECHO, most: 1.5 },
];

/**
 * Compares what was measured in a round: requests a second with those of the best rival on any runtime,
 * and the middle time of a request with that of an echo between two hosts of the same runtime.
 */
export function compare(round: Sample[]): Sample[] {
  const all = round.filter(({ workload }) => workload.startsWith("messaging-"));
  const ours = all.filter(({ style }) => style === "udp" || style === "tcp");
  return ours.flatMap((sample): Sample[] => {
    const alike = all.filter(({ workload, metric }) =>
      workload === sample.workload && metric === sample.metric
    );
    if (sample.metric === "requests/s") {
      const rivals = alike.filter(({ style }) => RIVALS.includes(style));
      if (rivals.length === 0) return [];
      const best = Math.max(...rivals.map(({ value }) => value));
      return [{ ...sample, metric: TO_BEST_RIVAL, value: sample.value / best }];
    }
    const echo = alike.find(({ style, runtime }) => style === "host" && runtime === sample.runtime);
    if (sample.metric !== "p50 µs" || echo === undefined) return [];
    return [{ ...sample, metric: TO_OWN_ECHO, value: sample.value / echo.value }];
  });
}

/** Says for each target and runtime whether it was met; empty when nothing was compared. */
export function verdict(rows: Row[]): string {
  return TARGETS.flatMap(({ workload, metric, least = 0, most = Infinity }) =>
    rows.filter((row) => row.workload === workload && row.metric === metric && row.style === "udp")
      .map(({ runtime, median }) => {
        const target = least > 0 ? `at least ${least}` : `at most ${most}`;
        const met = median >= least && median <= most ? "met" : "missed";
        return `${workload} udp ${runtime}: ${median.toFixed(2)} ${metric}, ${target}: ${met}\n`;
      })
  ).join("");
}

if (import.meta.main) {
  print(verdict(JSON.parse(readFileSync(`${root}/bench/out/latest.json`, "utf8")).rows));
}
