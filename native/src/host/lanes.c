/*
 * Fair queuing of the messages that wait to be sent to a peer.
 *
 * Each channel has a lane, whose messages are served in order. The lane with the lowest tag is next. That is
 * start-time fair queuing (Goyal, Vin, Cheng: "Start-Time Fair Queuing: A Scheduling Algorithm for Integrated
 * Services Packet Switching Networks", 1996). The tag of a lane grows by the bytes that are served, divided
 * by the lane's priority. An empty lane that gets a message takes at least the current virtual time as its
 * tag. So a message on a quiet channel waits only for what is being served, and an idle channel saves up no
 * turns. Among lanes whose tags are close, the oldest message is next: channels that send alike keep the
 * order of the calls.
 *
 * ENet sends all fragments of a message before what comes after it. So a long message is given to ENet a few
 * fragments at a time, each when it is the lane's turn (enet/send_fragments.c). What follows in the lane
 * waits for them.
 */
#include "host/lanes.h"

#include <stdlib.h>

#include "enetjs.h"
#include "host/slot.h"

#define OVERHEAD 64 /* bytes that count for each message beside its own */

/* By how much a lane may be ahead of the others and still be served in the order of the calls. */
#define AHEAD ((uint64_t)4096 * ENETJS_PRIORITY_MAXIMUM)

struct enetjs_lane *enetjs_lanes_at(struct enetjs_lanes *lanes, const ENetPeer *peer, size_t channel) {
  if (!lanes->lane) {
    lanes->lane = calloc(peer->channelCount, sizeof(*lanes->lane));
    if (!lanes->lane) return NULL;
    lanes->count = peer->channelCount;
    for (size_t i = 0; i < lanes->count; i++) lanes->lane[i].weight = 1;
  }
  return &lanes->lane[channel];
}

static bool is_empty(const struct enetjs_lane *lane) { return !lane->head && !lane->rest.packet; }

void enetjs_lanes_wait(struct enetjs_lanes *lanes, struct enetjs_lane *lane) {
  if (lane->waits) return;
  lane->waits = true;
  if (lane->tag < lanes->now) lane->tag = lanes->now;
  lane->next = lanes->first;
  lanes->first = lane;
}

static void leave(struct enetjs_lanes *lanes, struct enetjs_lane *lane) {
  struct enetjs_lane **link = &lanes->first;
  while (*link != lane) link = &(*link)->next;
  *link = lane->next;
  lane->waits = false;
}

void enetjs_lanes_served(struct enetjs_lanes *lanes, struct enetjs_lane *lane, size_t bytes) {
  if (lane->tag > lanes->now) lanes->now = lane->tag;
  lane->tag += (uint64_t)(bytes + OVERHEAD) * ENETJS_PRIORITY_MAXIMUM / lane->weight;
  if (is_empty(lane)) leave(lanes, lane);
}

static uint32_t number_of(const struct enetjs_lane *lane) {
  return lane->rest.packet ? lane->number : lane->head->number;
}

static bool is_older(const struct enetjs_lane *a, const struct enetjs_lane *b) {
  return (int32_t)(number_of(a) - number_of(b)) < 0;
}

struct enetjs_lane *enetjs_lanes_next(const struct enetjs_lanes *lanes,
                                      bool (*may)(void *context, struct enetjs_lane *lane), void *context) {
  struct enetjs_lane *least = NULL, *oldest = NULL;
  for (struct enetjs_lane *lane = lanes->first; lane; lane = lane->next)
    if ((!least || lane->tag < least->tag) && may(context, lane)) least = lane;
  for (struct enetjs_lane *lane = lanes->first; lane; lane = lane->next)
    if (least && lane->tag <= least->tag + AHEAD && (!oldest || is_older(lane, oldest)) && may(context, lane))
      oldest = lane;
  return oldest;
}

static bool is_external(const struct enetjs_outgoing *out) { return out->shared && out->shared->external; }

static void append_awaited(struct enetjs_lane *lane, struct enetjs_outgoing *out) {
  if (lane->awaited)
    lane->last_awaited->packet.userData = out;
  else
    lane->awaited = out;
  lane->last_awaited = out;
}

void enetjs_lane_append(struct enetjs_lane *lane, struct enetjs_outgoing *out) {
  lane->external += is_external(out);
  if (out->token) append_awaited(lane, out);
  if (lane->tail)
    lane->tail->next = out;
  else
    lane->head = out;
  lane->tail = out;
}

struct enetjs_outgoing *enetjs_lane_take(struct enetjs_lane *lane) {
  struct enetjs_outgoing *out = lane->head;
  lane->head = out->next;
  if (!lane->head) lane->tail = NULL;
  lane->external -= is_external(out);
  if (out->token) lane->awaited = out->packet.userData;
  return out;
}

struct enetjs_outgoing *enetjs_lane_take_all(struct enetjs_lane *lane) {
  struct enetjs_outgoing *first = lane->head;
  lane->head = lane->tail = lane->awaited = NULL;
  lane->external = 0;
  return first;
}

/* ---- Long messages --------------------------------------------------------------------------- */

long long enetjs_lanes_cut(struct enetjs_lanes *lanes, struct enetjs_lane *lane, ENetPeer *peer,
                           struct enetjs_outgoing *out, size_t length, size_t room) {
  if (!enetjs_fragments_begin(&lane->rest, peer, out->channel, &out->packet, length)) return -1;
  lane->number = out->number;
  lanes->rest_bytes += out->packet.dataLength;
  return (long long)enetjs_lanes_give(lanes, lane, peer, room);
}

size_t enetjs_lanes_give(struct enetjs_lanes *lanes, struct enetjs_lane *lane, ENetPeer *peer, size_t room) {
  size_t bytes = enetjs_fragments_give(&lane->rest, peer, room);
  lanes->rest_bytes -= bytes;
  return bytes;
}

void enetjs_lanes_drop_rest(struct enetjs_lanes *lanes, struct enetjs_lane *lane) {
  lanes->rest_bytes -= enetjs_fragments_left(&lane->rest);
  enetjs_fragments_drop(&lane->rest);
}

void enetjs_lanes_end(struct enetjs_lanes *lanes) {
  free(lanes->lane);
  lanes->lane = lanes->first = NULL;
  lanes->count = 0;
  lanes->now = 0;
}
