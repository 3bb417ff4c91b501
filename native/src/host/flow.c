/*
 * How many bytes may be under way to each peer. The congestion controller decides that (enet/congestion.c),
 * and enet/window.c sets ENet's window before ENet sends.
 *
 * Invariant: a peer with a reliable message under way or to be sent is in the host's list of flows. `room` of
 * its slot is what ENet may be given until its next service.
 *
 * A far peer has a window that follows the link. A near peer has a fixed one, because its round trip is too
 * short to be measured with ENet's clock. A peer is far until a round trip is known. A window that a
 * bandwidth limit sets is not changed.
 *
 * ENet sends again at once what has timed out, up to the window of each peer. With many peers that is a long
 * service. So in one service ENet may look at timeouts of RESENT_BYTES. Those of the other peers are
 * postponed by POSTPONE_MS.
 *
 * Windows follow the link only where libenet's calls arrive in wire/socket.c: only there it is known when
 * ENet begins to read and when it has read. Elsewhere ENet has its own window.
 *
 * A program without a pump gets the credit of the time since its last service, 128 KiB at most
 * (congestion.c), and ENet's window in any case.
 *
 * Called with the host's lock held.
 */
#include <string.h>

#include "base/clock.h"
#include "host/internal.h"
#include "wire/command.h"
#include "wire/socket.h"
#include "wire/unsent.h"

/* ms; ENet's sent times have 16 bits, so longer round trips cannot be measured */
#define ROUND_TRIP_LIMIT 0x8000
#define RESENT_BYTES (2 * 1024 * 1024)
#define POSTPONE_MS 2
#define DUE_SLACK_MS 1 /* ENet reads the clock itself in its service, a little later */

static void look_at_distance(struct enetjs_slot *slot) {
  ENetPeer *peer = enetjs_peer_of(slot);
  bool limited = enetjs_window_limited(peer);
  slot->is_far = slot->host->adaptive && !limited && !enetjs_congestion_near(&slot->window.congestion);
  if (slot->host->adaptive && !limited && !slot->is_far) enetjs_window_near(peer);
}

void enetjs_flows_set(struct enetjs_host *h, bool adaptive) {
  h->adaptive = adaptive && h->batch && enetjs_batch_arrives() > 0;
  for (size_t index = 0; index < h->enet->peerCount; index++) {
    struct enetjs_slot *slot = &h->slots[index];
    if (!slot->connected) continue;
    if (!enetjs_window_limited(enetjs_peer_of(slot)))
      enetjs_peer_of(slot)->windowSize = ENET_PROTOCOL_MAXIMUM_WINDOW_SIZE;
    look_at_distance(slot);
  }
}

size_t enetjs_flow_window(const struct enetjs_slot *slot) {
  return slot->is_far ? enetjs_congestion_window(&slot->window.congestion)
                   : enetjs_peer_of(slot)->windowSize;
}

void enetjs_flow_look(struct enetjs_slot *slot) {
  ENetPeer *peer = enetjs_peer_of(slot);
  slot->room = slot->is_far
                   ? enetjs_window_room(&slot->window, peer, enetjs_clock_us())
                   : enetjs_window_fixed_room(peer);
}

void enetjs_flow_connected(struct enetjs_slot *slot) {
  memset(&slot->window, 0, sizeof(slot->window));
  look_at_distance(slot);
  enetjs_flow_look(slot);
}

void enetjs_flow_ended(struct enetjs_slot *slot) {
  memset(&slot->window, 0, sizeof(slot->window));
  slot->is_far = false;
  slot->room = 0;
}

void enetjs_flow_begin(struct enetjs_slot *slot) {
  struct enetjs_host *h = slot->host;
  if (slot->flows) return;
  slot->flows = true;
  slot->next_flow = h->flows;
  h->flows = slot;
}

/* ENet puts acknowledgements first into a datagram. Each carries the sent time of what it acknowledges. */
void enetjs_flow_measured(struct enetjs_slot *slot, const struct enetjs_datagram *datagram) {
  struct enetjs_command command;
  enet_uint16 round_trip;
  if (!slot->host->adaptive || !enetjs_command_first(datagram, &command) ||
      command.kind != ENET_PROTOCOL_COMMAND_ACKNOWLEDGE)
    return;
  round_trip = (enet_uint16)(slot->host->enet->serviceTime -
                             ENET_NET_TO_HOST_16(command.protocol->acknowledge.receivedSentTime));
  if (round_trip >= ROUND_TRIP_LIMIT) return;
  enetjs_congestion_measured(&slot->window.congestion, round_trip, slot->host->service_us);
  look_at_distance(slot);
}

static bool is_over(const struct enetjs_slot *slot) {
  return !slot->lanes.first && enetjs_window_idle(enetjs_peer_of(slot));
}

static void drop_those_that_are_over(struct enetjs_host *h) {
  struct enetjs_slot **link = &h->flows;
  while (*link) {
    struct enetjs_slot *slot = *link;
    if (!is_over(slot)) {
      link = &slot->next_flow;
      continue;
    }
    slot->flows = false;
    *link = slot->next_flow;
  }
}

/* Before ENet looks at the timeouts of a peer: postpones them where this service has had enough of them. */
static void let_time_out(struct enetjs_slot *slot, enet_uint32 now) {
  ENetPeer *peer = enetjs_peer_of(slot);
  struct enetjs_host *h = slot->host;
  if (enet_list_empty(&peer->sentReliableCommands) || ENET_TIME_LESS(now + DUE_SLACK_MS, peer->nextTimeout))
    return;
  if (h->resent >= RESENT_BYTES)
    peer->nextTimeout = now + POSTPONE_MS;
  else
    h->resent += peer->reliableDataInTransit + 64 * slot->inside_messages;
}

void enetjs_flows_open(struct enetjs_host *h, bool flush) {
  enet_uint32 now = enet_time_get();
  h->reading = false;
  h->service_us = enetjs_clock_us();
  drop_those_that_are_over(h);
  for (struct enetjs_slot *slot = h->flows; slot; slot = slot->next_flow) {
    if (!flush) let_time_out(slot, now);
    if (slot->is_far && flush)
      enetjs_window_open_for_flush(&slot->window, enetjs_peer_of(slot), h->service_us);
    else if (slot->is_far)
      enetjs_window_open(&slot->window, enetjs_peer_of(slot), h->service_us);
    else if (h->adaptive)
      enetjs_window_near(enetjs_peer_of(slot));
  }
}

static void reopen(struct enetjs_host *h) {
  for (struct enetjs_slot *slot = h->flows; slot; slot = slot->next_flow) {
    let_time_out(slot, h->enet->serviceTime);
    if (slot->is_far) enetjs_window_reopen(&slot->window, enetjs_peer_of(slot), h->service_us);
  }
}

void enetjs_flows_read(struct enetjs_host *h, bool done) {
  if (!h->flows) return;
  for (struct enetjs_slot *slot = h->flows; slot && !h->reading; slot = slot->next_flow)
    if (slot->is_far) enetjs_window_read(&slot->window, enetjs_peer_of(slot));
  h->reading = !done;
  if (done) reopen(h);
}

void enetjs_flows_close(struct enetjs_host *h) {
  for (struct enetjs_slot *slot = h->flows; slot; slot = slot->next_flow) {
    if (slot->is_far) enetjs_window_close(&slot->window, enetjs_peer_of(slot));
    enetjs_flow_look(slot);
  }
}

static bool has_to_send(struct enetjs_slot *slot) {
  return slot->lanes.first || !enet_list_empty(enetjs_unsent_messages(enetjs_peer_of(slot)));
}

int enetjs_flows_wait(const struct enetjs_host *h) {
  uint64_t now_us = h->flows ? enetjs_clock_us() : 0;
  int least = -1;
  for (struct enetjs_slot *slot = h->flows; slot; slot = slot->next_flow) {
    int wait = -1;
    if (slot->is_far && has_to_send(slot) && slot->inside_messages < ENETJS_INSIDE_MESSAGES)
      wait = enetjs_window_wait(&slot->window, enetjs_peer_of(slot), now_us);
    if (wait >= 0 && (least < 0 || wait < least)) least = wait;
  }
  return least;
}
