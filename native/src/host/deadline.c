/*
 * When a host has something to do by itself: every deadline that wakes a thread comes together in
 * enetjs_next_wait.
 *
 *   at once      datagrams that were fetched and not read (wire/socket.c), datagrams of the guard for ENet,
 *                events that ENet has queued, acknowledgements and commands that ENet has not sent, messages
 *                that a service has left to the next one
 *   ENet         the next retransmission, timeout or ping of each peer; the next turn of its bandwidth limits
 *   silence.c    the next look for peers that acknowledge nothing
 *   conditions.c the next datagram that a simulated network holds is due (wire/)
 *   security.c   the next HELLO, and the next look for sessions that have ended (wire/security/)
 *   flow.c       the window lets something leave
 *   resend.c     a message may turn out to be lost
 *   queue.c      a ping may let more unreliable messages leave
 *   trim.c       unused memory is given back (base/)
 *
 * Two times are elsewhere, because only the pump waits for them: the stall limit and the rest of pace.c. Some
 * times wake no thread, because they are looked at when a datagram comes: the lifetimes of attempts
 * (wire/guard.c) and token buckets (wire/limits.c), and the times of a stopped peer (allowance.c).
 *
 * Called with the host's lock held, by the pump and by the consumer.
 */
#include <enet/time.h>

#include "base/pool.h"
#include "host/internal.h"
#include "wire/guard.h"
#include "wire/peer_ids.h"
#include "wire/security/security.h"
#include "wire/socket.h"
#include "wire/unsent.h"

#define LONG_WAIT 0x3FFFFFFF /* longer than any wait: ENet has nothing to do by itself */

/*
 * A ping may be late by this part of its interval. With many peers, something else wakes the pump meanwhile,
 * and the ping leaves with it.
 */
#define PING_SLACK 16

#define TRIM_MS 1000 /* until unused memory is given back */

static enet_uint32 until(enet_uint32 now, enet_uint32 time) {
  return ENET_TIME_GREATER_EQUAL(now, time) ? 0 : ENET_TIME_DIFFERENCE(time, now);
}

/* @param look how long until peers that acknowledge nothing are looked for */
static enet_uint32 peer_wait(ENetPeer *peer, enet_uint32 now, enet_uint32 look) {
  if (!enetjs_is_live(peer)) return LONG_WAIT;
  if (!enet_list_empty(&peer->sentReliableCommands))
    return (enet_uint32)enetjs_smaller(until(now, peer->nextTimeout), look);
  if (!enet_list_empty(&peer->acknowledgements) || !enetjs_unsent_none(peer)) return 0;
  if (peer->state == ENET_PEER_STATE_CONNECTED) {
    enet_uint32 silent = ENET_TIME_DIFFERENCE(now, peer->lastReceiveTime);
    enet_uint32 limit = peer->pingInterval + peer->pingInterval / PING_SLACK;
    return silent >= limit ? 0 : limit - silent;
  }
  return LONG_WAIT;
}

int enetjs_next_wait(const struct enetjs_host *h) {
  ENetHost *enet = h->enet;
  enet_uint32 now = enet_time_get(), look = enetjs_silence_wait(h, now), least = LONG_WAIT;
  int queue = enetjs_queue_wait(h), flows = enetjs_flows_wait(h), held = enetjs_batch_wait(h->batch),
      resend = enetjs_resend_wait(h), security = enetjs_security_wait(h->security);
  if (h->failed) return -1;
  if (enetjs_datagrams_prefetched(h) || (h->guard && enetjs_guard_pending(h->guard))) return 0;
  /* a flush has ended a connection, or a service was cut short */
  if (!enet_list_empty(&enet->dispatchQueue)) return 0;
  if (h->to_feed && enetjs_queue_cut(h)) return 0;
  for (size_t index = 0; index < enet->peerCount && least > 0; index++) {
    least = (enet_uint32)enetjs_smaller(least, peer_wait(&enet->peers[index], now, look));
  }
  if (enet->connectedPeers > 0 &&
      (enet->recalculateBandwidthLimits || enet->bandwidthLimitedPeers > 0 || enet->outgoingBandwidth > 0)) {
    enet_uint32 wait = until(now, enet->bandwidthThrottleEpoch + ENET_HOST_BANDWIDTH_THROTTLE_INTERVAL);
    if (wait < least) least = wait;
  }
  if (flows >= 0 && (enet_uint32)flows < least) least = (enet_uint32)flows;
  if (security >= 0 && (enet_uint32)security < least) least = (enet_uint32)security;
  if (held >= 0 && (enet_uint32)held < least) least = (enet_uint32)held;
  if (resend >= 0 && (enet_uint32)resend < least) least = (enet_uint32)resend;
  if (queue >= 0 && (enet_uint32)queue < least) return queue;
  if (least > TRIM_MS && enetjs_pool_slack()) return TRIM_MS;
  return least == LONG_WAIT ? -1 : (int)least;
}
