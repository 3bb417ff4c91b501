/*
 * ENet's throttle drops a share of the unreliable messages when round trips take longer than they did (peer.c,
 * enet_peer_throttle), although nothing may be lost on the way. It also scales the window of reliable messages. Each
 * acknowledgement moves it, by packetThrottleDeceleration at most. With 0, only bandwidth limits lower it, through
 * packetThrottleLimit (host.c, enet_host_bandwidth_throttle).
 *
 * The field is set here, in the struct: enet_peer_throttle_configure would tell the other side, which then does the
 * same with what it sends. A THROTTLE_CONFIGURE from there sets our field, so its deceleration is replaced by the one
 * in force. During a handshake both sides compare the values, so nothing changes before it is over.
 *
 * Where the throttle stays on, the pings of ping_barrier.c must not move it more often than ENet's own pings would,
 * which come once in an interval. ENet cannot be kept from doing so; what it has done is taken back.
 */
#include "enet/throttle.h"

#include <enet/time.h>
#include <string.h>

void enetjs_throttle_begin(struct enetjs_throttle *throttle, ENetPeer *peer, bool off, bool ask) {
  enet_uint32 deceleration = off ? 0 : peer->packetThrottleDeceleration;
  memset(throttle, 0, sizeof(*throttle));
  throttle->off = off;
  if (ask) enet_peer_throttle_configure(peer, peer->packetThrottleInterval, peer->packetThrottleAcceleration, 0);
  peer->packetThrottleDeceleration = deceleration;
}

void enetjs_throttle_configured(const struct enetjs_throttle *throttle, const ENetPeer *peer, ENetProtocol *command) {
  if (throttle->off)
    command->throttleConfigure.packetThrottleDeceleration = ENET_HOST_TO_NET_32(peer->packetThrottleDeceleration);
}

static bool is_early(struct enetjs_throttle *throttle, const ENetPeer *peer) {
  enet_uint32 now = peer->host->serviceTime;
  if (throttle->counted_at != 0 && ENET_TIME_DIFFERENCE(now, throttle->counted_at) < peer->pingInterval) return true;
  throttle->counted_at = now ? now : 1;
  return false;
}

bool enetjs_throttle_acknowledged(struct enetjs_throttle *throttle, ENetPeer *peer, bool pings) {
  if (peer->packetThrottleDeceleration == 0) {
    /* Or what a bandwidth limit has lowered would stay low until a round trip is as short as the shortest. */
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
