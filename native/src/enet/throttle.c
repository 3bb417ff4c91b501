/*
 * Keeps ENet's throttle from dropping unreliable messages because round trips have become longer.
 *
 * ENet's throttle drops a share of the unreliable messages when round trips take longer than before, even
 * when nothing is lost on the way (peer.c of ENet, enet_peer_throttle). It also scales the window of reliable
 * messages. Each acknowledgement lowers it by packetThrottleDeceleration at most. With a deceleration of 0,
 * only bandwidth limits lower it, through packetThrottleLimit (host.c of ENet, enet_host_bandwidth_throttle).
 *
 * The field is set here, in the struct. enet_peer_throttle_configure would also tell the other side, which
 * then changes what it sends. A THROTTLE_CONFIGURE of the other side sets our field, so its deceleration is
 * replaced by the one in force. During a handshake both sides compare the values, so nothing is changed
 * before it is over.
 *
 * Where the throttle stays on, the pings of ping_barrier.c must not move it more often than ENet's own pings,
 * which come once in an interval. ENet moves it at each acknowledgement, so the value from before is restored
 * afterwards.
 *
 * Called with the host's lock held.
 */
#include "enet/throttle.h"

#include <enet/time.h>
#include <string.h>

void enetjs_throttle_begin(struct enetjs_throttle *throttle, ENetPeer *peer, bool off, bool ask) {
  enet_uint32 deceleration = off ? 0 : peer->packetThrottleDeceleration;
  memset(throttle, 0, sizeof(*throttle));
  throttle->off = off;
  if (ask)
    enet_peer_throttle_configure(peer, peer->packetThrottleInterval, peer->packetThrottleAcceleration, 0);
  peer->packetThrottleDeceleration = deceleration;
}

void enetjs_throttle_configured(const struct enetjs_throttle *throttle, const ENetPeer *peer,
                                ENetProtocol *command) {
  if (throttle->off)
    command->throttleConfigure.packetThrottleDeceleration =
        ENET_HOST_TO_NET_32(peer->packetThrottleDeceleration);
}

static bool is_early(struct enetjs_throttle *throttle, const ENetPeer *peer) {
  enet_uint32 now = peer->host->serviceTime;
  if (throttle->counted_at != 0 && ENET_TIME_DIFFERENCE(now, throttle->counted_at) < peer->pingInterval)
    return true;
  throttle->counted_at = now ? now : 1;
  return false;
}

bool enetjs_throttle_acknowledged(struct enetjs_throttle *throttle, ENetPeer *peer, bool pings) {
  if (peer->packetThrottleDeceleration == 0) {
    /*
     * Else a throttle that a bandwidth limit has lowered stays low until a round trip is as short as the
     * shortest.
     */
    if (throttle->off) peer->packetThrottle = peer->packetThrottleLimit;
    return false;
  }
  if (!pings || !is_early(throttle, peer)) return false;
  throttle->restores = true;
  throttle->before = peer->packetThrottle;
  throttle->connect_id = peer->connectID;
  return true;
}

void enetjs_throttle_handled(struct enetjs_throttle *throttle, ENetPeer *peer) {
  if (throttle->restores && peer->connectID == throttle->connect_id) peer->packetThrottle = throttle->before;
  throttle->restores = false;
}
