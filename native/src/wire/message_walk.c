/*
 * See message_walk.h. The order is that of enet_peer_queue_incoming_command in peer.c of ENet 1.3.17.
 *
 * The messages of a datagram mostly lie side by side, so a search begins where the last one in the same list
 * ended.
 */
#include "wire/message_walk.h"

bool enetjs_message_walk_count(struct enetjs_message_walk *walk, size_t steps) {
  walk->steps += steps;
  return walk->steps <= ENETJS_STEPS_MAXIMUM;
}

void enetjs_message_walk_forget(struct enetjs_message_walk *walk) { walk->last.list = NULL; }

/* How ENet compares while it looks for a place: -1 pass over, 0 here, 1 behind this one. */
static int compare(const ENetChannel *channel, const ENetIncomingCommand *other, enet_uint16 reliable,
                   enet_uint16 unreliable) {
  enet_uint16 current = channel->incomingReliableSequenceNumber;
  if (reliable >= current) {
    if (other->reliableSequenceNumber < current) return -1;
  } else if (other->reliableSequenceNumber >= current) {
    return 1;
  }
  if (other->reliableSequenceNumber != reliable) return other->reliableSequenceNumber < reliable ? 1 : -1;
  if (other->unreliableSequenceNumber != unreliable)
    return other->unreliableSequenceNumber < unreliable ? 1 : -1;
  return 0;
}

/* @param walked is set to the steps that ENet makes, at most */
static ENetListIterator search(struct enetjs_message_walk *walk, ENetList *list, const ENetChannel *channel,
                               enet_uint16 reliable, enet_uint16 unreliable, size_t *walked) {
  const size_t left = walk->steps < ENETJS_STEPS_MAXIMUM ? ENETJS_STEPS_MAXIMUM - walk->steps : 0;
  const bool same = walk->last.list == list;
  ENetListIterator end = enet_list_end(list), i = same ? walk->last.at : enet_list_previous(end), next;
  *walked = same ? walk->last.walked : 0;
  while ((next = enet_list_next(i)) != end && *walked > 0 &&
         compare(channel, (ENetIncomingCommand *)next, reliable, unreliable) >= 0) {
    i = next;
    --*walked;
  }
  while (i != end && *walked <= left &&
         compare(channel, (ENetIncomingCommand *)i, reliable, unreliable) < 0) {
    i = enet_list_previous(i);
    ++*walked;
  }
  walk->last.list = list;
  walk->last.at = i;
  walk->last.walked = *walked;
  return i;
}

/* ENet looks for a first fragment twice. */
struct enetjs_message_place enetjs_message_walk_find(struct enetjs_message_walk *walk, ENetList *list,
                                                       const ENetChannel *channel, enet_uint16 reliable,
                                                       enet_uint16 unreliable, size_t fragments) {
  struct enetjs_message_place place = {NULL, false};
  size_t walked;
  ENetListIterator i;
  if (fragments) enetjs_message_walk_forget(walk); /* a fragment must find exactly what ENet finds */
  i = search(walk, list, channel, reliable, unreliable, &walked);
  if (!enetjs_message_walk_count(walk, fragments ? 2 * walked + 2 : walked + 1))
    place.refused = true;
  else if (i != enet_list_end(list) && compare(channel, (ENetIncomingCommand *)i, reliable, unreliable) == 0)
    place.known = (ENetIncomingCommand *)i;
  return place;
}
