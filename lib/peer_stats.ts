import { LAYOUT, PEER_STAT } from "../ffi/layout.ts";
import { PEER_STATES, type PeerState } from "./peer_state.ts";

/**
 * What ENet and this library know of a connection, with units. Up to `reliableDataInTransit` it is ENet's, in its
 * own terms; its totals of bytes and packets start again whenever ENet evaluates them. Counting costs next to
 * nothing; what is read is put together when `peer.stats` is read.
 *
 * Source: `ENetPeer` in `enet/enet.h`.
 */
export interface PeerStats {
  /** Where the connection is in its life. */
  readonly state: PeerState;
  /** Channels of the connection. */
  readonly channelCount: number;
  /** Random number that identifies the connection to both sides. */
  readonly connectId: number;
  /** Number that means this side's peer in datagrams of the other; random for each connection. */
  readonly incomingPeerId: number;
  /** The other side's index of this peer. */
  readonly outgoingPeerId: number;
  /** The other side's downstream bandwidth, bytes per second; 0 is unlimited. */
  readonly incomingBandwidth: number;
  /** The other side's upstream bandwidth, bytes per second; 0 is unlimited. */
  readonly outgoingBandwidth: number;
  /** Bytes received since the last bandwidth throttle. */
  readonly incomingDataTotal: number;
  /** Bytes queued since the last bandwidth throttle. */
  readonly outgoingDataTotal: number;
  /** Milliseconds since a datagram was sent, -1 before the first. */
  readonly sinceLastSendMs: number;
  /** Milliseconds since an acknowledgement was received, -1 before the first. */
  readonly sinceLastReceiveMs: number;
  /** Commands sent in the current packet loss interval of 10 s. */
  readonly packetsSent: number;
  /** Commands retransmitted in the current packet loss interval of 10 s. */
  readonly packetsLost: number;
  /** Mean share of reliable packets that were retransmitted, 0–1. */
  readonly packetLoss: number;
  /** Variance of the packet loss, 0–1. */
  readonly packetLossVariance: number;
  /** Share of unreliable packets that is sent, 0–1. */
  readonly packetThrottle: number;
  /** Upper limit of the throttle, 0–1. */
  readonly packetThrottleLimit: number;
  /** Position in the throttle's cycle, 0–32. */
  readonly packetThrottleCounter: number;
  /** See {@linkcode ThrottleOptions}. */
  readonly packetThrottleAcceleration: number;
  /** See {@linkcode ThrottleOptions}. */
  readonly packetThrottleDeceleration: number;
  /** See {@linkcode ThrottleOptions}. */
  readonly packetThrottleIntervalMs: number;
  /** Milliseconds of silence after which a ping is sent. */
  readonly pingIntervalMs: number;
  /** See {@linkcode TimeoutOptions}. */
  readonly timeoutLimit: number;
  /** See {@linkcode TimeoutOptions}. */
  readonly timeoutMinimumMs: number;
  /** See {@linkcode TimeoutOptions}. */
  readonly timeoutMaximumMs: number;
  /** Lowest mean round trip of the previous throttle interval, milliseconds. */
  readonly lastRoundTripTimeMs: number;
  /** Lowest mean round trip of the current throttle interval, milliseconds. */
  readonly lowestRoundTripTimeMs: number;
  /** Highest variance of the previous throttle interval, milliseconds. */
  readonly lastRoundTripTimeVarianceMs: number;
  /** Highest variance of the current throttle interval, milliseconds. */
  readonly highestRoundTripTimeVarianceMs: number;
  /** Mean time from sending a reliable packet to its acknowledgement, milliseconds. */
  readonly roundTripTimeMs: number;
  /** Variance of the round trip, milliseconds. */
  readonly roundTripTimeVarianceMs: number;
  /** Largest datagram of the connection, bytes. */
  readonly mtu: number;
  /**
   * Reliable bytes that may be on the way at once: 96 KiB on a local network; elsewhere it follows the link, see
   * the setting `congestion`. Less where bandwidth is limited.
   */
  readonly windowSize: number;
  /** Reliable bytes on the way, not yet acknowledged. */
  readonly reliableDataInTransit: number;
  /** Bytes of native memory that hold what has been received and not been consumed. */
  readonly totalWaitingData: number;
  /** Bytes sent by the program that are queued or not yet acknowledged. */
  readonly queuedBytes: number;
  /**
   * Of `queuedBytes`, those that count towards `highWaterMark`: all that waits, and of what is on the way over a
   * link with distance, 64 KiB.
   */
  readonly countedBytes: number;
  /** Messages of `queuedBytes`. */
  readonly queuedMessages: number;
  /**
   * Messages sent UNRELIABLE or UNSEQUENCED that ENet has sent reliably, because they were larger than a
   * datagram. UNRELIABLE_FRAGMENT prevents that. Since the connection began.
   */
  readonly unreliableSentReliably: number;
  /**
   * Unreliable messages that ENet has dropped instead of sending them. Bandwidth was short or, with ENet's
   * throttle, the round trip had grown; see `HostSettings.throttle`. Since the connection began.
   */
  readonly throttledMessages: number;
  /** Of `throttledMessages`, those for a round trip that had grown; the others were for bandwidth. */
  readonly throttledForDelay: number;
  /**
   * Mean round trip, which follows a change within about eight measurements, milliseconds with fractions; 0 before
   * the first. `roundTripTimeMs` is ENet's, in whole milliseconds, of which it misses small changes.
   */
  readonly smoothedRoundTripMs: number;
  /** Shortest round trip of the last 10 to 20 s in which any was measured, milliseconds; 0 before the first. */
  readonly minimumRoundTripMs: number;
  /** By how much round trips differ from the mean one, on average, milliseconds. */
  readonly jitterMs: number;
  /** By how much the mean round trip exceeds the shortest: what datagrams wait in queues, milliseconds. */
  readonly queueDelayMs: number;
  /**
   * Share of the reliable commands to the other side that were retransmitted, 0–1, of the last 5 to 10 s. A lost
   * acknowledgement counts, too.
   */
  readonly outgoingLoss: number;
  /**
   * Share of the unreliable messages of the other side that are missing, 0–1, of the last 5 to 10 s. What the
   * other side's own throttle has dropped counts, too.
   */
  readonly incomingLoss: number;
  /** Reliable commands that were retransmitted, since the connection began. ENet cuts a large message into many. */
  readonly retransmitted: number;
  /** Of `retransmitted`, those whose loss acknowledgements have shown, before ENet's timer fired. */
  readonly fastRetransmitted: number;
  /** Of `retransmitted`, those that had arrived after all, as far as acknowledgements tell. */
  readonly needlesslyRetransmitted: number;
  /** Unreliable messages that have come, since the connection began. */
  readonly unreliableReceived: number;
  /**
   * Unreliable messages that are missing, by the gaps in their numbers, since the connection began. Numbers begin
   * anew with each reliable message of the channel. So messages that were lost just before one do not show.
   */
  readonly unreliableMissing: number;
  /** Of `unreliableMissing`, those that came after a later message of the channel, so that ENet dropped them; with copies. */
  readonly unreliableLate: number;
  /**
   * Datagrams of which a limit or a memory budget of this host refused all or a part. Since the connection began.
   */
  readonly refusedDatagrams: number;
  /**
   * Bytes sent to the other side in datagrams, since the connection began. Where `versions()` says that datagrams are
   * `"plain"`, what is sent is not counted: this and `totalSentPackets` are 0. Of a browser behind a gateway these are
   * bytes of messages, and its datagrams are 0.
   */
  readonly totalSentData: number;
  /** Datagrams sent to the other side, since the connection began. */
  readonly totalSentPackets: number;
  /** Bytes received from the other side in datagrams that this host has let in, since the connection began. */
  readonly totalReceivedData: number;
  /** Datagrams received from the other side that this host has let in, since the connection began. */
  readonly totalReceivedPackets: number;
  /**
   * What the way to the other side carries, as far as this connection has seen: reliable bytes that were acknowledged
   * in a second, about the most of late. A program that sends less sees its own rate. It stays while nothing is
   * sent, and begins anew after a pause of 10 s. 0 where nothing is known: before the first reliable messages, on a
   * local network, and with `congestion: "enet"` or limited bandwidth.
   */
  readonly bandwidthEstimate: number;
}

/** The values of a connection that has ended. */
export function statsAfterTheEnd(channels: number): Float64Array {
  const stats = new Float64Array(LAYOUT.STATS_COUNT);
  stats[PEER_STAT.CHANNEL_COUNT] = channels;
  stats[PEER_STAT.SINCE_LAST_SEND] = stats[PEER_STAT.SINCE_LAST_RECEIVE] = -1;
  return stats;
}

/** What the values of `PEER_STAT` mean. */
export function readPeerStats(stats: Float64Array): PeerStats {
  return {
    state: PEER_STATES[stats[PEER_STAT.STATE]],
    channelCount: stats[PEER_STAT.CHANNEL_COUNT],
    connectId: stats[PEER_STAT.CONNECT_ID],
    incomingPeerId: stats[PEER_STAT.INCOMING_PEER_ID],
    outgoingPeerId: stats[PEER_STAT.OUTGOING_PEER_ID],
    incomingBandwidth: stats[PEER_STAT.INCOMING_BANDWIDTH],
    outgoingBandwidth: stats[PEER_STAT.OUTGOING_BANDWIDTH],
    incomingDataTotal: stats[PEER_STAT.INCOMING_DATA_TOTAL],
    outgoingDataTotal: stats[PEER_STAT.OUTGOING_DATA_TOTAL],
    sinceLastSendMs: stats[PEER_STAT.SINCE_LAST_SEND],
    sinceLastReceiveMs: stats[PEER_STAT.SINCE_LAST_RECEIVE],
    packetsSent: stats[PEER_STAT.PACKETS_SENT],
    packetsLost: stats[PEER_STAT.PACKETS_LOST],
    packetLoss: stats[PEER_STAT.PACKET_LOSS] / LAYOUT.PACKET_LOSS_SCALE,
    packetLossVariance: stats[PEER_STAT.PACKET_LOSS_VARIANCE] / LAYOUT.PACKET_LOSS_SCALE,
    packetThrottle: stats[PEER_STAT.PACKET_THROTTLE] / LAYOUT.PACKET_THROTTLE_SCALE,
    packetThrottleLimit: stats[PEER_STAT.PACKET_THROTTLE_LIMIT] / LAYOUT.PACKET_THROTTLE_SCALE,
    packetThrottleCounter: stats[PEER_STAT.PACKET_THROTTLE_COUNTER],
    packetThrottleAcceleration: stats[PEER_STAT.PACKET_THROTTLE_ACCELERATION],
    packetThrottleDeceleration: stats[PEER_STAT.PACKET_THROTTLE_DECELERATION],
    packetThrottleIntervalMs: stats[PEER_STAT.PACKET_THROTTLE_INTERVAL],
    pingIntervalMs: stats[PEER_STAT.PING_INTERVAL],
    timeoutLimit: stats[PEER_STAT.TIMEOUT_LIMIT],
    timeoutMinimumMs: stats[PEER_STAT.TIMEOUT_MINIMUM],
    timeoutMaximumMs: stats[PEER_STAT.TIMEOUT_MAXIMUM],
    lastRoundTripTimeMs: stats[PEER_STAT.LAST_ROUND_TRIP_TIME],
    lowestRoundTripTimeMs: stats[PEER_STAT.LOWEST_ROUND_TRIP_TIME],
    lastRoundTripTimeVarianceMs: stats[PEER_STAT.LAST_ROUND_TRIP_TIME_VARIANCE],
    highestRoundTripTimeVarianceMs: stats[PEER_STAT.HIGHEST_ROUND_TRIP_TIME_VARIANCE],
    roundTripTimeMs: stats[PEER_STAT.ROUND_TRIP_TIME],
    roundTripTimeVarianceMs: stats[PEER_STAT.ROUND_TRIP_TIME_VARIANCE],
    mtu: stats[PEER_STAT.MTU],
    windowSize: stats[PEER_STAT.WINDOW_SIZE],
    reliableDataInTransit: stats[PEER_STAT.RELIABLE_DATA_IN_TRANSIT],
    totalWaitingData: stats[PEER_STAT.TOTAL_WAITING_DATA],
    queuedBytes: stats[PEER_STAT.QUEUED_BYTES],
    countedBytes: stats[PEER_STAT.COUNTED_BYTES],
    queuedMessages: stats[PEER_STAT.QUEUED_MESSAGES],
    unreliableSentReliably: stats[PEER_STAT.SENT_RELIABLY],
    throttledMessages: stats[PEER_STAT.THROTTLED],
    throttledForDelay: stats[PEER_STAT.THROTTLED_FOR_DELAY],
    smoothedRoundTripMs: stats[PEER_STAT.SMOOTHED_ROUND_TRIP],
    minimumRoundTripMs: stats[PEER_STAT.MINIMUM_ROUND_TRIP],
    jitterMs: stats[PEER_STAT.JITTER],
    queueDelayMs: Math.max(
      0,
      stats[PEER_STAT.SMOOTHED_ROUND_TRIP] - stats[PEER_STAT.MINIMUM_ROUND_TRIP],
    ),
    outgoingLoss: stats[PEER_STAT.OUTGOING_LOSS],
    incomingLoss: stats[PEER_STAT.INCOMING_LOSS],
    retransmitted: stats[PEER_STAT.RETRANSMITTED],
    fastRetransmitted: stats[PEER_STAT.FAST_RETRANSMITTED],
    needlesslyRetransmitted: stats[PEER_STAT.NEEDLESSLY_RETRANSMITTED],
    unreliableReceived: stats[PEER_STAT.UNRELIABLE_RECEIVED],
    unreliableMissing: stats[PEER_STAT.UNRELIABLE_MISSING],
    unreliableLate: stats[PEER_STAT.UNRELIABLE_LATE],
    refusedDatagrams: stats[PEER_STAT.REFUSED_DATAGRAMS],
    totalSentData: stats[PEER_STAT.SENT_DATA],
    totalSentPackets: stats[PEER_STAT.SENT_PACKETS],
    totalReceivedData: stats[PEER_STAT.RECEIVED_DATA],
    totalReceivedPackets: stats[PEER_STAT.RECEIVED_PACKETS],
    bandwidthEstimate: stats[PEER_STAT.BANDWIDTH_ESTIMATE],
  };
}
