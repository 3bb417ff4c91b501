/*
 * Ends a peer that has acknowledged nothing for its timeoutMaximum, whatever it has sent before.
 *
 * ENet's own timeouts do not ensure that. ENet looks at a command's timeout only when it has passed, and then
 * doubles it. The first timeout is the round-trip time and four times its variance. ENet computes these from
 * the sent times that the peer's acknowledgements repeat, and a peer may claim times of up to 65 s ago. So a
 * peer can make ENet wait for minutes before it looks. A peer with a real round trip of a second is noticed
 * after 63 s instead of 30. While a peer is being disconnected, any acknowledgement keeps it alive, even one
 * of something that was never sent.
 *
 * So once a second this file adds up the time in which something was to be acknowledged and nothing was. For
 * messages the queue tells that (queue.c). For pings and the fragments of a large message, a few commands in
 * ENet's lists are watched: only its acknowledgement takes a command out of them. While a connection begins
 * or ends, only the awaited acknowledgement counts. Time without a service does not count, because what came
 * then has not been read. A margin lets ENet's own timeout end the peer first, where ENet has computed it
 * from true times.
 *
 * A look at a peer may walk all that is under way to it. So after LOOK_STEPS the next service goes on with
 * the other peers.
 *
 * Called with the host's lock held.
 */
#include <string.h>

#include "host/internal.h"
#include "wire/peer_ids.h"
#include "wire/unsent.h"

enum {
  LOOK_MS = 1000,
  LONGEST_GAP_MS = 2000, /* counted for one look, at most */
  MARGIN_MS = 2000,
  LOOK_STEPS = 32768,
  WATCHED = sizeof(((struct enetjs_silence *)0)->commands) / sizeof(((struct enetjs_silence *)0)->commands[0])
};

static bool is_watched(const struct enetjs_silence *silence, const ENetOutgoingCommand *command) {
  for (unsigned i = 0; i < silence->watched; i++) {
    if (silence->commands[i].sequence == command->reliableSequenceNumber &&
        silence->commands[i].channel == command->command.header.channelID)
      return true;
  }
  return false;
}

static void watch(struct enetjs_silence *silence, const ENetOutgoingCommand *command) {
  silence->commands[silence->watched].sequence = command->reliableSequenceNumber;
  silence->commands[silence->watched++].channel = command->command.header.channelID;
}

/*
 * The next command from there on that has been sent and not acknowledged. ENet puts what it is about to send
 * again before what it has not sent yet.
 */
static ENetOutgoingCommand *next_under_way(ENetListIterator i, ENetList *list, size_t *steps) {
  for (; i != enet_list_end(list); i = enet_list_next(i)) {
    ENetOutgoingCommand *command = (ENetOutgoingCommand *)i;
    ++*steps;
    if (!(command->command.header.command & ENET_PROTOCOL_COMMAND_FLAG_ACKNOWLEDGE)) continue;
    return command->sendAttempts > 0 ? command : NULL;
  }
  return NULL;
}

/* @returns how many of the watched commands are in the list */
static unsigned count_watched(const struct enetjs_silence *silence, ENetList *list, size_t *steps) {
  unsigned found = 0;
  ENetOutgoingCommand *command = next_under_way(enet_list_begin(list), list, steps);
  for (; command && found < silence->watched;
       command = next_under_way(enet_list_next(&command->outgoingCommandList), list, steps))
    found += is_watched(silence, command);
  return found;
}

static void watch_more(struct enetjs_silence *silence, ENetList *list, size_t *steps) {
  ENetOutgoingCommand *command = next_under_way(enet_list_begin(list), list, steps);
  for (; command && silence->watched < WATCHED;
       command = next_under_way(enet_list_next(&command->outgoingCommandList), list, steps))
    if (!is_watched(silence, command)) watch(silence, command);
}

/* Whether something was acknowledged, or nothing was to be. */
static bool has_acknowledged(const struct enetjs_silence *silence, ENetPeer *peer, size_t *steps) {
  unsigned left;
  if (silence->acknowledged || silence->watched == 0) return true;
  left = count_watched(silence, &peer->sentReliableCommands, steps);
  if (left < silence->watched) left += count_watched(silence, &peer->outgoingCommands, steps);
#if ENETJS_HAS_MESSAGE_LIST
  if (left < silence->watched) left += count_watched(silence, enetjs_unsent_messages(peer), steps);
#endif
  return left < silence->watched;
}

/* While a connection begins or ends, no acknowledgement but the awaited one counts. */
static bool is_heard(const struct enetjs_silence *silence, ENetPeer *peer, size_t *steps) {
  if (silence->connect_id != peer->connectID) return true;
  if (peer->state != ENET_PEER_STATE_CONNECTED && peer->state != ENET_PEER_STATE_DISCONNECT_LATER)
    return peer->state != silence->state;
  return has_acknowledged(silence, peer, steps);
}

/* @returns whether it has been silent for too long */
static bool count(struct enetjs_silence *silence, ENetPeer *peer, enet_uint32 now, size_t *steps) {
  bool heard = is_heard(silence, peer, steps);
  enet_uint32 elapsed = ENET_TIME_DIFFERENCE(now, silence->looked_at);
  silence->looked_at = now;
  silence->connect_id = peer->connectID;
  silence->state = (uint8_t)peer->state;
  silence->ms = heard ? 0 : silence->ms + enetjs_smaller(elapsed, LONGEST_GAP_MS);
  silence->acknowledged = false;
  if (heard) silence->watched = 0;
  watch_more(silence, &peer->sentReliableCommands, steps);
  watch_more(silence, &peer->outgoingCommands, steps);
#if ENETJS_HAS_MESSAGE_LIST
  watch_more(silence, enetjs_unsent_messages(peer), steps);
#endif
  return silence->ms >= (uint64_t)peer->timeoutMaximum + MARGIN_MS;
}

/* @returns steps that it took */
static size_t look_at(struct enetjs_slot *slot, enet_uint32 now) {
  ENetPeer *peer = enetjs_peer_of(slot);
  size_t steps = 1;
  if (!enetjs_is_live(peer) || !count(&slot->silence, peer, now, &steps)) return steps;
  steps += slot->queued_messages;
  enet_peer_reset(peer);
  enetjs_slot_end(slot, ENETJS_REASON_TIMEOUT, 0);
  return steps;
}

/* The slots from `silence_next` on have not been looked at in this second. */
static bool is_looking(const struct enetjs_host *h) { return h->silence_next < h->enet->peerCount; }

void enetjs_end_silent(struct enetjs_host *h) {
  enet_uint32 now = enet_time_get();
  size_t steps = 0;
  if (!is_looking(h)) {
    if (ENET_TIME_DIFFERENCE(now, h->silence_looked_at) < LOOK_MS) return;
    h->silence_looked_at = now;
    h->silence_next = 0;
  }
  while (is_looking(h) && steps < LOOK_STEPS) steps += look_at(&h->slots[h->silence_next++], now);
}

enet_uint32 enetjs_silence_wait(const struct enetjs_host *h, enet_uint32 now) {
  enet_uint32 elapsed = ENET_TIME_DIFFERENCE(now, h->silence_looked_at);
  return elapsed < LOOK_MS && !is_looking(h) ? LOOK_MS - elapsed : 0;
}
