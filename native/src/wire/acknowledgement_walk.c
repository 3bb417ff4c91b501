/*
 * See acknowledgement_walk.h. The lists are those that enet_protocol_remove_sent_reliable_command in ENet's
 * protocol.c walks.
 */
#include "wire/acknowledgement_walk.h"

#include "wire/unsent.h"

static bool matches(ENetListIterator i, enet_uint16 sequence, enet_uint8 channel) {
  const ENetOutgoingCommand *command = (ENetOutgoingCommand *)i;
  return command->reliableSequenceNumber == sequence && command->command.header.channelID == channel;
}

/* Among what it has not sent, ENet gives up at the first reliable command that has never been sent. */
static bool ends_search(ENetListIterator i) {
  const ENetOutgoingCommand *command = (ENetOutgoingCommand *)i;
  return (command->command.header.command & ENET_PROTOCOL_COMMAND_FLAG_ACKNOWLEDGE) &&
         command->sendAttempts < 1;
}

static bool count(struct enetjs_acknowledgement_walk *walk, size_t steps) {
  walk->steps += steps;
  return walk->steps <= ENETJS_ACKNOWLEDGEMENT_STEPS_MAXIMUM;
}

/* @returns false when the steps are used up */
static bool search_unsent(struct enetjs_acknowledgement_walk *walk, ENetList *list, enet_uint16 sequence,
                          enet_uint8 channel) {
  ENetListIterator i = enet_list_begin(list);
  for (; i != enet_list_end(list) && !ends_search(i) && !matches(i, sequence, channel); i = enet_list_next(i))
    if (!count(walk, 1)) return false;
  return true;
}

bool enetjs_acknowledgement_walk_find(struct enetjs_acknowledgement_walk *walk,
                                        const ENetProtocolAcknowledge *acknowledgement) {
  enet_uint16 sequence = ENET_NET_TO_HOST_16(acknowledgement->receivedReliableSequenceNumber);
  enet_uint8 channel = acknowledgement->header.channelID;
  ENetList *sent = &walk->peer->sentReliableCommands;
  ENetListIterator i = walk->after;
  size_t passed = 0;
  if (i != enet_list_end(sent) && matches(i, sequence, channel)) {
    walk->after = enet_list_next(i);
    return count(walk, walk->before + 1);
  }
  for (i = enet_list_begin(sent); i != enet_list_end(sent); i = enet_list_next(i)) {
    if (!count(walk, 1)) return false;
    if (!matches(i, sequence, channel)) {
      passed++;
      continue;
    }
    walk->after = enet_list_next(i);
    walk->before = passed;
    return true;
  }
#if ENETJS_HAS_MESSAGE_LIST
  if (!search_unsent(walk, enetjs_unsent_messages(walk->peer), sequence, channel)) return false;
#endif
  return search_unsent(walk, &walk->peer->outgoingCommands, sequence, channel);
}
