/*
 * A peer that acknowledges nothing is ended when its timeoutMaximum has passed, whatever it has sent before.
 *
 * ENet looks at a command's timeout only when that has passed, and doubles it then. The first one is the
 * round-trip time and four times its variance, as the peer's acknowledgements tell it: each repeats the time
 * at which it claims to have been answered to, up to 65 s ago. So a peer can have ENet wait for minutes before
 * it looks the first time, and a peer with an honest round trip of a second is noticed after 63 s instead of
 * 30. Also, any acknowledgement keeps a peer that is being disconnected in its place.
 *
 * So once a second the time is counted in which something that must be acknowledged was under way, and no
 * acknowledgement came. While a connection begins or ends, only what moves it on counts. Time in which the
 * host was not serviced does not count: what came in it has not been read. The margin leaves the first word
 * to ENet, where it goes by times of its own choice.
 *
 * Called with the host's lock held.
 */
#include <string.h>

#include "host/internal.h"
#include "wire/peer_ids.h"

enum {
  LOOK_MS = 1000,
  LONGEST_GAP_MS = 2000, /* what a look counts at most */
  MARGIN_MS = 2000
};

/* While a connection begins or ends, no acknowledgement but the awaited one counts. */
static bool is_heard(const struct enetjs_silence *silence, ENetPeer *peer) {
  if (peer->state != ENET_PEER_STATE_CONNECTED && peer->state != ENET_PEER_STATE_DISCONNECT_LATER)
    return peer->state != silence->state;
  return enet_list_empty(&peer->sentReliableCommands) || silence->heard_at != peer->lastReceiveTime;
}

/* @returns whether it has been silent for too long */
static bool count(struct enetjs_silence *silence, ENetPeer *peer, enet_uint32 elapsed) {
  bool heard = silence->connect_id != peer->connectID || is_heard(silence, peer);
  silence->connect_id = peer->connectID;
  silence->state = (uint8_t)peer->state;
  silence->heard_at = peer->lastReceiveTime;
  silence->ms = heard ? 0 : silence->ms + elapsed;
  return silence->ms >= (uint64_t)peer->timeoutMaximum + MARGIN_MS;
}

void enetjs_end_silent(struct enetjs_host *h) {
  enet_uint32 now = enet_time_get(), elapsed = ENET_TIME_DIFFERENCE(now, h->silence_looked_at);
  if (elapsed < LOOK_MS) return;
  h->silence_looked_at = now;
  if (elapsed > LONGEST_GAP_MS) elapsed = LONGEST_GAP_MS;
  for (size_t index = 0; index < h->enet->peerCount; index++) {
    ENetPeer *peer = &h->enet->peers[index];
    struct enetjs_slot *slot = &h->slots[index];
    if (!enetjs_is_live(peer)) continue;
    if (!count(&slot->silence, peer, elapsed)) continue;
    enet_peer_reset(peer);
    enetjs_slot_end(slot, ENETJS_REASON_TIMEOUT, 0);
  }
}

enet_uint32 enetjs_silence_wait(const struct enetjs_host *h, enet_uint32 now) {
  enet_uint32 elapsed = ENET_TIME_DIFFERENCE(now, h->silence_looked_at);
  return elapsed < LOOK_MS ? LOOK_MS - elapsed : 0;
}
