import { HOST_STAT } from "../ffi/layout.ts";
import type { TokenFault } from "./errors.ts";

/** Attempts to connect that a host has refused, by cause. The client is told, see {@linkcode DisconnectCode}. */
export interface RefusalStats {
  /** Every peer was in use, memory was short, or the host was being closed. */
  readonly full: number;
  /** The filter denies the address, where `filter.refuse` is true. */
  readonly filter: number;
  /** The program has refused it by `accept`. */
  readonly accept: number;
  /** `accept` has not decided in time, or failed. */
  readonly undecided: number;
  /** The address had as many peers as `duplicatePeers` allows. */
  readonly duplicate: number;
}

/** What a host has seen of encryption. Counts are of datagrams, unless noted. */
export interface SecurityStats {
  /** Encrypted sessions that are open now. */
  readonly sessions: number;
  /** Sessions that wait for the first datagram of their client now. */
  readonly halfOpen: number;
  /** Sessions that have been opened. */
  readonly handshakes: number;
  /** HELLOs that were answered with a cookie. */
  readonly retries: number;
  /** HELLOs that did not decrypt: the client has another server key, or another pre-shared key. */
  readonly unauthentic: number;
  /** HELLOs beyond the number of handshakes of the host or of `limits.address.connects`. */
  readonly limited: number;
  /** Datagrams of the protocol that are not as the protocol says, or of another version. */
  readonly malformed: number;
  /** Datagrams of no session. */
  readonly unknown: number;
  /** Datagrams to a session that are not authentic. */
  readonly forged: number;
  /** Datagrams to a session that came before, or too late. */
  readonly replayed: number;
  /** How often a session has moved to another address. */
  readonly moved: number;
  /** Connected peers without encryption now. */
  readonly plainPeers: number;
  /** Plain requests to connect, where `security.required` is true. */
  readonly plainRefused: number;
  /** Clients whose connect token was not accepted, by cause. */
  readonly tokens: Readonly<Record<TokenFault, number>>;
}

/** What a host has done since it was created. */
export interface HostStats {
  /** Bytes sent in datagrams. */
  readonly totalSentData: number;
  /** Datagrams sent. */
  readonly totalSentPackets: number;
  /** Bytes received in datagrams. */
  readonly totalReceivedData: number;
  /** Datagrams received. */
  readonly totalReceivedPackets: number;
  /** Peers connected now. */
  readonly connectedPeers: number;
  /** Events that wait in native memory now, because the ring was full or this thread busy. */
  readonly heldEvents: number;
  /** How often the ring or the arena was full. */
  readonly backPressure: number;
  /** How often the pump has woken this thread. */
  readonly wakeUps: number;
  /** How often the pump has serviced the protocol because this thread was busy. */
  readonly pumpServices: number;
  /** Datagrams dropped by the address filter. */
  readonly filtered: number;
  /** Datagrams that were not ENet's, where these are reported. */
  readonly datagrams: number;
  /** Errors of the socket about single datagrams. */
  readonly socketErrors: number;
  /** Connections that wait for the client's acknowledgement now. They take no peer. */
  readonly halfOpen: number;
  /** Attempts to connect that this host has answered with a refusal. */
  readonly refused: RefusalStats;
  /** Datagrams that name a half-open connection by its id, with a wrong session or sequence number. */
  readonly badHandshakes: number;
  /** Requests to connect dropped by `limits.address.connects`. */
  readonly limitedConnects: number;
  /** Datagrams dropped by `limits.address.datagrams`. */
  readonly limitedDatagrams: number;
  /** Bytes of the datagrams dropped by `limits.address.bytes`. */
  readonly limitedBytes: number;
  /** Messages refused by `limits.peer.messages`; each time that one is retransmitted counts. */
  readonly limitedMessages: number;
  /** Bytes of the messages refused by `limits.peer.bytes`; each time that one is retransmitted counts. */
  readonly limitedMessageBytes: number;
  /** Connections that ended with the reason `"limit"`. */
  readonly limitedPeers: number;
  /** Bytes that count towards `maximumHostData` now. */
  readonly hostData: number;
  /** Datagrams of which a memory or work limit dropped all or a part; reliable data is sent again. */
  readonly overBudget: number;
  /** Encryption; all zero where nobody uses it. */
  readonly security: SecurityStats;
}

function readSecurityStats(stats: Float64Array): SecurityStats {
  return {
    sessions: stats[HOST_STAT.SECURITY_SESSIONS],
    halfOpen: stats[HOST_STAT.SECURITY_HALF_OPEN],
    handshakes: stats[HOST_STAT.SECURITY_HANDSHAKES],
    retries: stats[HOST_STAT.SECURITY_RETRIES],
    unauthentic: stats[HOST_STAT.SECURITY_UNAUTHENTIC],
    limited: stats[HOST_STAT.SECURITY_LIMITED],
    malformed: stats[HOST_STAT.SECURITY_MALFORMED],
    unknown: stats[HOST_STAT.SECURITY_UNKNOWN],
    forged: stats[HOST_STAT.SECURITY_FORGED],
    replayed: stats[HOST_STAT.SECURITY_REPLAYED],
    moved: stats[HOST_STAT.SECURITY_MOVED],
    plainPeers: stats[HOST_STAT.SECURITY_PLAIN_PEERS],
    plainRefused: stats[HOST_STAT.SECURITY_PLAIN_REFUSED],
    tokens: {
      missing: stats[HOST_STAT.TOKEN_MISSING],
      malformed: stats[HOST_STAT.TOKEN_MALFORMED],
      foreign: stats[HOST_STAT.TOKEN_FOREIGN],
      expired: stats[HOST_STAT.TOKEN_EXPIRED],
      other_server: stats[HOST_STAT.TOKEN_OTHER_SERVER],
      used: stats[HOST_STAT.TOKEN_USED],
      busy: stats[HOST_STAT.TOKEN_BUSY],
    },
  };
}

/**
 * What the values of `HOST_STAT` mean.
 *
 * @param others peers of transports that native code does not know
 */
export function readHostStats(stats: Float64Array, others: number): HostStats {
  return {
    totalSentData: stats[HOST_STAT.SENT_DATA],
    totalSentPackets: stats[HOST_STAT.SENT_PACKETS],
    totalReceivedData: stats[HOST_STAT.RECEIVED_DATA],
    totalReceivedPackets: stats[HOST_STAT.RECEIVED_PACKETS],
    connectedPeers: stats[HOST_STAT.CONNECTED_PEERS] + others,
    heldEvents: stats[HOST_STAT.HELD_RECORDS],
    backPressure: stats[HOST_STAT.BACK_PRESSURE],
    wakeUps: stats[HOST_STAT.WAKE_UPS],
    pumpServices: stats[HOST_STAT.PUMP_SERVICES],
    filtered: stats[HOST_STAT.FILTERED],
    datagrams: stats[HOST_STAT.DATAGRAMS],
    socketErrors: stats[HOST_STAT.SOCKET_ERRORS],
    halfOpen: stats[HOST_STAT.HALF_OPEN],
    refused: {
      full: stats[HOST_STAT.REFUSED_FULL],
      filter: stats[HOST_STAT.REFUSED_FILTER],
      accept: stats[HOST_STAT.REFUSED_ACCEPT],
      undecided: stats[HOST_STAT.REFUSED_UNDECIDED],
      duplicate: stats[HOST_STAT.REFUSED_DUPLICATE],
    },
    badHandshakes: stats[HOST_STAT.BAD_HANDSHAKE],
    limitedConnects: stats[HOST_STAT.LIMITED_CONNECTS],
    limitedDatagrams: stats[HOST_STAT.LIMITED_DATAGRAMS],
    limitedBytes: stats[HOST_STAT.LIMITED_BYTES],
    limitedMessages: stats[HOST_STAT.LIMITED_MESSAGES],
    limitedMessageBytes: stats[HOST_STAT.LIMITED_MESSAGE_BYTES],
    limitedPeers: stats[HOST_STAT.LIMITED_PEERS],
    hostData: stats[HOST_STAT.DATA],
    overBudget: stats[HOST_STAT.OVER_BUDGET],
    security: readSecurityStats(stats),
  };
}
