/*
 * The statistics of a connection, as the block that JavaScript reads. ENet's own fields are copied, and what
 * only this library counts is added.
 *
 * Takes the lock of the host. Only the consumer may call.
 */
#include "host/internal.h"
#include "wire/peer_ids.h"

static double since(enet_uint32 time) {
  return time ? (double)ENET_TIME_DIFFERENCE(enet_time_get(), time) : -1;
}

static void quality_of(struct enetjs_slot *slot, double *stats) {
  struct enetjs_quality *quality = &slot->quality;
  const struct enetjs_gaps *gaps = &quality->gaps;
  enet_uint32 now = enet_time_get();
  enetjs_commands_count_lost(slot, 0);
  stats[ENETJS_PEER_STAT_SMOOTHED_ROUND_TRIP] = quality->round_trip.smoothed;
  stats[ENETJS_PEER_STAT_MINIMUM_ROUND_TRIP] = enetjs_round_trip_shortest(&quality->round_trip);
  stats[ENETJS_PEER_STAT_JITTER] = quality->round_trip.deviation;
  stats[ENETJS_PEER_STAT_OUTGOING_LOSS] = enetjs_recent_share(&quality->lost, now);
  stats[ENETJS_PEER_STAT_INCOMING_LOSS] = enetjs_recent_share(&quality->gaps.recent, now);
  /* Losses that ENet counted since the last call, before it set its counter to 0, are missing. */
  stats[ENETJS_PEER_STAT_RETRANSMITTED] = fmax((double)quality->retransmitted, (double)slot->fast.resent);
  stats[ENETJS_PEER_STAT_FAST_RETRANSMITTED] = (double)slot->fast.resent;
  stats[ENETJS_PEER_STAT_NEEDLESSLY_RETRANSMITTED] = (double)slot->fast.needless;
  stats[ENETJS_PEER_STAT_UNRELIABLE_RECEIVED] = (double)gaps->received;
  stats[ENETJS_PEER_STAT_UNRELIABLE_MISSING] = (double)gaps->missing;
  stats[ENETJS_PEER_STAT_UNRELIABLE_LATE] = (double)gaps->late;
  stats[ENETJS_PEER_STAT_THROTTLED] = (double)quality->throttled;
  stats[ENETJS_PEER_STAT_THROTTLED_FOR_DELAY] = (double)quality->throttled_for_delay;
  stats[ENETJS_PEER_STAT_REFUSED_DATAGRAMS] = (double)quality->refused_datagrams;
  stats[ENETJS_PEER_STAT_SENT_DATA] = (double)quality->sent.bytes;
  stats[ENETJS_PEER_STAT_SENT_PACKETS] = (double)quality->sent.datagrams;
  stats[ENETJS_PEER_STAT_RECEIVED_DATA] = (double)quality->received.bytes;
  stats[ENETJS_PEER_STAT_RECEIVED_PACKETS] = (double)quality->received.datagrams;
  stats[ENETJS_PEER_STAT_BANDWIDTH_ESTIMATE] = slot->is_far ? slot->window.congestion.bandwidth : 0;
}

double enetjs_peer_stats(double host, double peer) {
  double error, *stats;
  struct enetjs_slot *slot = enetjs_slot_acquire(host, peer, &error);
  const ENetPeer *p;
  if (!slot) return error;
  p = enetjs_peer_of(slot);
  stats = slot->host->stats;
  stats[ENETJS_PEER_STAT_STATE] = enetjs_slot_state(slot);
  stats[ENETJS_PEER_STAT_CHANNEL_COUNT] = (double)p->channelCount;
  stats[ENETJS_PEER_STAT_CONNECT_ID] = p->connectID;
  stats[ENETJS_PEER_STAT_INCOMING_PEER_ID] =
      slot->host->peer_ids ? enetjs_peer_ids_of(slot->host->peer_ids, p) : p->incomingPeerID;
  stats[ENETJS_PEER_STAT_OUTGOING_PEER_ID] = p->outgoingPeerID;
  stats[ENETJS_PEER_STAT_INCOMING_BANDWIDTH] = p->incomingBandwidth;
  stats[ENETJS_PEER_STAT_OUTGOING_BANDWIDTH] = p->outgoingBandwidth;
  stats[ENETJS_PEER_STAT_INCOMING_DATA_TOTAL] = p->incomingDataTotal;
  stats[ENETJS_PEER_STAT_OUTGOING_DATA_TOTAL] = p->outgoingDataTotal;
  stats[ENETJS_PEER_STAT_SINCE_LAST_SEND] = since(p->lastSendTime);
  stats[ENETJS_PEER_STAT_SINCE_LAST_RECEIVE] = since(p->lastReceiveTime);
  stats[ENETJS_PEER_STAT_PACKETS_SENT] = p->packetsSent;
  stats[ENETJS_PEER_STAT_PACKETS_LOST] = p->packetsLost;
  stats[ENETJS_PEER_STAT_PACKET_LOSS] = p->packetLoss;
  stats[ENETJS_PEER_STAT_PACKET_LOSS_VARIANCE] = p->packetLossVariance;
  stats[ENETJS_PEER_STAT_PACKET_THROTTLE] = p->packetThrottle;
  stats[ENETJS_PEER_STAT_PACKET_THROTTLE_LIMIT] = p->packetThrottleLimit;
  stats[ENETJS_PEER_STAT_PACKET_THROTTLE_COUNTER] = p->packetThrottleCounter;
  stats[ENETJS_PEER_STAT_PACKET_THROTTLE_ACCELERATION] = p->packetThrottleAcceleration;
  stats[ENETJS_PEER_STAT_PACKET_THROTTLE_DECELERATION] = p->packetThrottleDeceleration;
  stats[ENETJS_PEER_STAT_PACKET_THROTTLE_INTERVAL] = p->packetThrottleInterval;
  stats[ENETJS_PEER_STAT_PING_INTERVAL] = p->pingInterval;
  stats[ENETJS_PEER_STAT_TIMEOUT_LIMIT] = p->timeoutLimit;
  stats[ENETJS_PEER_STAT_TIMEOUT_MINIMUM] = p->timeoutMinimum;
  stats[ENETJS_PEER_STAT_TIMEOUT_MAXIMUM] = p->timeoutMaximum;
  stats[ENETJS_PEER_STAT_LAST_ROUND_TRIP_TIME] = p->lastRoundTripTime;
  stats[ENETJS_PEER_STAT_LOWEST_ROUND_TRIP_TIME] = p->lowestRoundTripTime;
  stats[ENETJS_PEER_STAT_LAST_ROUND_TRIP_TIME_VARIANCE] = p->lastRoundTripTimeVariance;
  stats[ENETJS_PEER_STAT_HIGHEST_ROUND_TRIP_TIME_VARIANCE] = p->highestRoundTripTimeVariance;
  stats[ENETJS_PEER_STAT_ROUND_TRIP_TIME] = p->roundTripTime;
  stats[ENETJS_PEER_STAT_ROUND_TRIP_TIME_VARIANCE] = p->roundTripTimeVariance;
  stats[ENETJS_PEER_STAT_MTU] = p->mtu;
  stats[ENETJS_PEER_STAT_WINDOW_SIZE] = (double)enetjs_flow_window(slot);
  stats[ENETJS_PEER_STAT_RELIABLE_DATA_IN_TRANSIT] = p->reliableDataInTransit;
  stats[ENETJS_PEER_STAT_TOTAL_WAITING_DATA] = slot->account ? (double)slot->account->bytes : 0;
  stats[ENETJS_PEER_STAT_QUEUED_BYTES] = (double)slot->queued_bytes;
  stats[ENETJS_PEER_STAT_QUEUED_MESSAGES] = (double)slot->queued_messages;
  stats[ENETJS_PEER_STAT_SENT_RELIABLY] = (double)slot->sent_reliably;
  stats[ENETJS_PEER_STAT_COUNTED_BYTES] = (double)enetjs_queue_counted(slot);
  quality_of(slot, stats);
  return enetjs_slot_finish(slot, 0);
}
