/**
 * The report of a load as a page: one file, which loads nothing.
 *
 * @module
 */
import { ms, type RoundTripSummary } from "../net/round_trips.ts";
import { escapeHtml, lineChart } from "./charts.ts";
import type { Counts, Tally } from "./tally.ts";

const STYLE = `
:root { color-scheme: light dark; --s0: #0868ac; --s1: #d95f0e; --grid: #8884; }
@media (prefers-color-scheme: dark) { :root { --s0: #7ec8f5; --s1: #ffb070; } }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 44rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
figure { margin: 1.5rem 0; } svg { width: 100%; height: auto; } svg text { font-size: 11px; fill: currentColor; }
polyline { fill: none; stroke-width: 2; } polyline.s0 { stroke: var(--s0); } polyline.s1 { stroke: var(--s1); }
span.s0 { color: var(--s0); } span.s1 { color: var(--s1); } .grid { stroke: var(--grid); }
table { border-collapse: collapse; } td, th { padding: .2rem 1rem .2rem 0; text-align: left; font-weight: normal; }
td { font-variant-numeric: tabular-nums; } .warning { border-left: 4px solid var(--s1); padding-left: 1rem; }
`;

/** What a report is about. */
export interface Subject {
  /** Where the server is. */
  readonly name: string;
  /** The options, as they were given. */
  readonly settings: Readonly<Record<string, string | number>>;
  /** What makes the figures doubtful; none: nothing does. */
  readonly warning: string | undefined;
}

function rows(entries: Iterable<readonly [string, string | number]>): string {
  const cells = [...entries].map(([name, value]) => {
    const text = typeof value === "number" ? value.toLocaleString("en-US") : value;
    return `<tr><th>${escapeHtml(name)}</th><td>${escapeHtml(text)}</td></tr>\n`;
  });
  return `<table>\n${cells.join("")}</table>\n`;
}

function section(title: string, counts: Counts): string {
  return counts.size === 0 ? "" : `<h2>${escapeHtml(title)}</h2>\n${rows(counts)}`;
}

/** A summary of round trips, as rows. */
function times(name: string, summary: RoundTripSummary | undefined): [string, string][] {
  if (summary === undefined) return [];
  const { p50Ms, p99Ms, maximumMs } = summary;
  return [[name, `p50 ${ms(p50Ms)}, p99 ${ms(p99Ms)}, max ${ms(maximumMs)}`]];
}

function charts({ samples }: Tally): string {
  const seconds = samples.map(({ atS }) => atS);
  const of = (name: string, value: (sample: typeof samples[number]) => number) => ({
    name,
    values: samples.map(value),
  });
  return [
    lineChart("Peers", "connected", seconds, [of("peers", ({ peers }) => peers)]),
    lineChart("Messages", "a second", seconds, [
      of("sent", ({ sentPerSecond }) => sentPerSecond),
      of("received", ({ receivedPerSecond }) => receivedPerSecond),
    ]),
    lineChart("Round trips of messages", "milliseconds", seconds, [
      of("p50", ({ p50Ms }) => p50Ms),
      of("p99", ({ p99Ms }) => p99Ms),
    ]),
    lineChart("Round trip of ENet", "milliseconds, mean of all peers", seconds, [
      of("round trip", ({ enetRoundTripMs }) => enetRoundTripMs),
    ]),
    lineChart("Traffic", "bytes a second, in datagrams", seconds, [
      of("out", ({ bytesOutPerSecond }) => bytesOutPerSecond),
      of("in", ({ bytesInPerSecond }) => bytesInPerSecond),
    ]),
    lineChart("Loss", "%, of reliable commands", seconds, [of("loss", ({ loss }) => loss * 100)]),
  ].join("");
}

/** Makes the page. */
export function reportPage({ name, settings, warning }: Subject, tally: Tally): string {
  const { begun, connected, sent, received, seconds } = tally;
  const title = `Load of ${escapeHtml(name)}`;
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${title}</title>
<style>${STYLE}</style>
<h1>${title}</h1>
${warning === undefined ? "" : `<p class="warning">${escapeHtml(warning)}</p>\n`}${
    rows([
      ["began", new Date(Date.now() - seconds * 1000).toISOString()],
      ["lasted", `${seconds.toFixed(1)} s`],
      ["connected", `${connected} of ${begun}`],
      ["messages sent", sent],
      ["messages received", received],
      ...times("connecting", tally.connectTimes.summary()),
      ...times("round trips of messages", tally.summary),
    ])
  }<h2>Over time</h2>
${charts(tally)}${section("Attempts that failed", tally.failures)}${
    section("Connections that ended too early", tally.ends)
  }${section("Errors of the script", tally.errors)}${
    section("Counted by the script", tally.counters)
  }
<h2>Settings</h2>
${rows(Object.entries(settings))}</html>
`;
}
