/*
 * When lost messages are looked for (enet/fast_retransmit.c): at the end of each service, for the peers that
 * have acknowledged something in it or have moved, and for those at which something may be lost since. One
 * service takes LOOK_STEPS; the peers that are left come first in the next one.
 *
 * Invariant: a slot that is to be looked at at a later time is in the list, so that deadline.c finds it.
 * Called with the host's lock held.
 */
#include "base/clock.h"
#include "host/internal.h"

#define LOOK_STEPS 65536

void enetjs_resend_look(struct enetjs_slot *slot) {
  if (slot->to_look_at) return;
  slot->to_look_at = true;
  slot->next_to_look_at = slot->host->to_look_at;
  slot->host->to_look_at = slot;
}

/* @returns bytes that may be sent again now. A near peer may have its whole window under way at once. */
static size_t room_of(struct enetjs_slot *slot) {
  if (!slot->is_far) return ENETJS_WINDOW_NEAR;
  return enetjs_window_resend_room(&slot->window, enetjs_peer_of(slot), enetjs_clock_us());
}

static unsigned resend_of(struct enetjs_slot *slot) {
  ENetPeer *peer = enetjs_peer_of(slot);
  size_t under_way = peer->reliableDataInTransit;
  bool path_lost = slot->fast.path_lost; /* which tells nothing about the new path */
  unsigned resent;
  slot->fast.waits = false;
  if (peer->state != ENET_PEER_STATE_CONNECTED && peer->state != ENET_PEER_STATE_DISCONNECT_LATER) return 0;
  resent = enetjs_fast_retransmit_resend(&slot->fast, peer, enet_time_get(), room_of(slot));
  if (!path_lost) enetjs_congestion_lost(&slot->window.congestion, under_way - peer->reliableDataInTransit);
  return resent;
}

/* Puts the slots that have not been looked at before those that have. */
static void put_first(struct enetjs_host *h, struct enetjs_slot *slots) {
  struct enetjs_slot *looked_at = h->to_look_at, **end = &h->to_look_at;
  h->to_look_at = slots;
  while (*end) end = &(*end)->next_to_look_at;
  *end = looked_at;
}

bool enetjs_resend_lost(struct enetjs_host *h) {
  unsigned resent = 0, steps = 0;
  struct enetjs_slot *slot = h->to_look_at;
  h->to_look_at = NULL;
  while (slot && steps < LOOK_STEPS) {
    struct enetjs_slot *next = slot->next_to_look_at;
    slot->to_look_at = false;
    resent += resend_of(slot);
    steps += 1 + slot->fast.steps;
    if (slot->fast.waits) enetjs_resend_look(slot);
    slot = next;
  }
  put_first(h, slot);
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
