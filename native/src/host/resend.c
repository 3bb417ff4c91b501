/*
 * When lost messages are looked for (enet/fast_retransmit.c): at the end of each service, for the peers that have
 * acknowledged something in it or earlier and may miss something.
 *
 * Invariant: a slot that waits for a time is in the list, so that deadline.c finds it.
 * Called with the host's lock held.
 */
#include "host/internal.h"

void enetjs_resend_look(struct enetjs_slot *slot) {
  if (slot->to_look_at) return;
  slot->to_look_at = true;
  slot->next_to_look_at = slot->host->to_look_at;
  slot->host->to_look_at = slot;
}

static unsigned resend_of(struct enetjs_slot *slot) {
  ENetPeer *peer = enetjs_peer_of(slot);
  size_t under_way = peer->reliableDataInTransit;
  unsigned resent;
  slot->fast.waits = false;
  if (peer->state != ENET_PEER_STATE_CONNECTED && peer->state != ENET_PEER_STATE_DISCONNECT_LATER) return 0;
  resent = enetjs_fast_retransmit_resend(&slot->fast, peer, enet_time_get());
  enetjs_congestion_lost(&slot->window.congestion, under_way - peer->reliableDataInTransit);
  return resent;
}

bool enetjs_resend_lost(struct enetjs_host *h) {
  unsigned resent = 0;
  struct enetjs_slot *slot = h->to_look_at, *next;
  h->to_look_at = NULL;
  for (; slot; slot = next) {
    next = slot->next_to_look_at;
    slot->to_look_at = false;
    resent += resend_of(slot);
    if (slot->fast.waits) enetjs_resend_look(slot);
  }
  return resent > 0;
}

int enetjs_resend_wait(const struct enetjs_host *h) {
  enet_uint32 now;
  int least = -1;
  if (!h->to_look_at) return -1;
  now = enet_time_get();
  for (const struct enetjs_slot *slot = h->to_look_at; slot; slot = slot->next_to_look_at) {
    int wait = slot->fast.waits && ENET_TIME_LESS(now, slot->fast.due) ? (int)(slot->fast.due - now) : 0;
    if (least < 0 || wait < least) least = wait;
  }
  return least;
}
