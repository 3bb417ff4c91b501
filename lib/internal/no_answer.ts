import { HOST_STAT } from "../../ffi/layout.ts";
import type { Address } from "../address.ts";
import { ENetError, type Unreachable } from "../errors.ts";
import { hostAndPort } from "./ip.ts";

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
  /** Whether the other side has answered that it may still refuse. */
  readonly waits: boolean;
  /** What ICMP has said about the address. */
  readonly unreachable: Unreachable | undefined;
  readonly to: Address;
  /** Datagrams that the host has received since the attempt began. */
  readonly arrived: number;
}

/** How many datagrams a host has received; 0 once it is closed. */
export function receivedDatagrams({ native, handle, stats }: HostState): number {
  return native.enetjs_host_stats(handle) < 0 ? 0 : stats[HOST_STAT.RECEIVED_PACKETS];
}

/** What the code of an ICMP message "destination unreachable" says. */
export function unreachableOf(code: number): Unreachable {
  switch (code) {
    case 2: // that machine has no UDP
    case 3:
      return "port";
    case 0:
    case 6:
    case 11:
      return "network";
    case 9:
    case 10:
    case 13:
      return "prohibited";
    default:
      return "host";
  }
}

function report(unreachable: Unreachable, to: Address): string {
  const { hostname } = to;
  switch (unreachable) {
    case "port":
      return `nothing listens on ${hostAndPort(to)} (ICMP port unreachable)`;
    case "host":
      return `there is no way to ${hostname} (ICMP host unreachable)`;
    case "network":
      return `there is no way to the network of ${hostname} (ICMP network unreachable)`;
    case "prohibited":
      return `a firewall lets no datagrams pass to ${hostname} (ICMP administratively prohibited)`;
  }
}

/** What may be the cause: a known one, or all causes that are not excluded. */
function causes({ endpoint, denied, waits, unreachable, to, arrived }: Silence): string {
  if (denied) return ": the filter of this host denies the address";
  if (waits) return ": a host is there, and has not told whether it has a place";
  if (unreachable !== undefined) return `: the system reports that ${report(unreachable, to)}`;
  const { compression, checksum } = endpoint.settings;
  const differ = `that side has not compression "${compression}" and checksum "${checksum}"`;
  const pump = endpoint.pump ? "" : "; without a pump, call service() meanwhile";
  return arrived > 0
    ? `, though ${arrived} datagrams arrived from somewhere: no host listens there, it answers from ` +
      `another address of its machine, its filter denies this one, or ${differ}${pump}`
    : ", and nothing else arrived: no host listens there on UDP, a firewall or filter drops the " +
      `datagrams, or ${differ}${pump}`;
}

/** The error of an encrypted attempt to which the server has not answered: what it cannot authenticate gets silence. */
export function noSecuredAnswer(what: string): ENetError {
  return new ENetError(
    "ENETJS_ERR_SECURITY_NO_ANSWER",
    `${what} that proves to be the server's: no host listens there, a firewall or filter drops the datagrams, ` +
      "security.serverKey is not the key of that server, it has another psk or none, or it is plain",
  );
}

/** The error of an attempt without an answer. */
export function noAnswer(what: string, silence: Silence): ENetError {
  const { unreachable } = silence;
  return new ENetError("ENETJS_ERR_TIMEOUT", `${what}${causes(silence)}`, { unreachable });
}
