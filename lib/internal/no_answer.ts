import { HOST_STAT } from "../../ffi/layout.ts";
import { ENetError } from "../errors.ts";

/** What is needed of an endpoint, whose own module would import half of the library. */
interface HostState {
  readonly native: { enetjs_host_stats(host: number): number };
  readonly handle: number;
  readonly stats: Float64Array;
  readonly pump: boolean;
  readonly settings: { readonly compression: string; readonly checksum: string };
}

/** What is known of an attempt to connect that got no answer. */
interface Silence {
  readonly endpoint: HostState;
  /** Whether this host's filter denies the address. */
  readonly denied: boolean;
  /** Datagrams that the host has received since the attempt began. */
  readonly arrived: number;
}

/** How many datagrams a host has received; 0 once it is closed. */
export function receivedDatagrams({ native, handle, stats }: HostState): number {
  return native.enetjs_host_stats(handle) < 0 ? 0 : stats[HOST_STAT.RECEIVED_PACKETS];
}

/** What may be the cause: one that is known, or those that are not excluded. */
function causes({ endpoint, denied, arrived }: Silence): string {
  if (denied) return ": the filter of this host denies the address";
  const { compression, checksum } = endpoint.settings;
  const differ = `that side has not compression "${compression}" and checksum "${checksum}"`;
  const pump = endpoint.pump ? "" : "; without a pump, call service() meanwhile";
  return arrived > 0
    ? `, though ${arrived} datagrams arrived from somewhere: no host listens there, its filter denies ` +
      `this one, or ${differ}${pump}`
    : ", and nothing else arrived: no host listens there on UDP, a firewall or filter drops the " +
      `datagrams, or ${differ}${pump}`;
}

/** The error of an attempt without an answer. */
export function noAnswer(what: string, silence: Silence): ENetError {
  return new ENetError("ENETJS_ERR_TIMEOUT", `${what}${causes(silence)}`);
}
