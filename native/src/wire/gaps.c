/*
 * ENet numbers the unreliable messages of a channel from each reliable one on, and unsequenced messages by
 * the connection. A sender numbers a message when the program sends it, so what the sender's throttle drops
 * is missing here as well. How many were missing between the last one and a reliable message is not known.
 *
 * Of a message in fragments, the first one counts. ENETJS_GAPS_CHANNELS channels are followed at a time;
 * where two of them share a place, gaps between their turns are not seen.
 */
#include "wire/gaps.h"

static void arrived(struct enetjs_gaps *gaps, uint64_t missing, enet_uint32 now) {
  gaps->received++;
  gaps->missing += missing;
  enetjs_recent_add(&gaps->recent, missing, missing + 1, now);
}

static void unreliable(struct enetjs_gaps *gaps, enet_uint8 channel, enet_uint16 reliable, enet_uint16 number,
                       enet_uint32 now) {
  unsigned i = channel % ENETJS_GAPS_CHANNELS;
  int16_t ahead = (int16_t)(reliable - gaps->last[i].reliable);
  bool known = gaps->last[i].known && gaps->last[i].channel == channel;
  if (known && (ahead < 0 || (ahead == 0 && number <= gaps->last[i].unreliable))) {
    gaps->late++; /* or a copy */
    return;
  }
  arrived(gaps, known ? (uint64_t)number - 1 - (ahead == 0 ? gaps->last[i].unreliable : 0) : 0, now);
  gaps->last[i].known = true;
  gaps->last[i].channel = channel;
  gaps->last[i].reliable = reliable;
  gaps->last[i].unreliable = number;
}

/* ENet delivers them in any order. */
static void unsequenced(struct enetjs_gaps *gaps, enet_uint16 group, enet_uint32 now) {
  int16_t ahead = (int16_t)(group - gaps->group);
  if (gaps->unsequenced && ahead <= 0) {
    gaps->received++;
    if (gaps->missing > 0) gaps->missing--;
    return;
  }
  arrived(gaps, gaps->unsequenced ? (uint64_t)ahead - 1 : 0, now);
  gaps->unsequenced = true;
  gaps->group = group;
}

void enetjs_gaps_note(struct enetjs_gaps *gaps, const struct enetjs_command *command, enet_uint32 now) {
  const ENetProtocol *protocol = command->protocol;
  enet_uint16 reliable = ENET_NET_TO_HOST_16(protocol->header.reliableSequenceNumber), number;
  switch (command->kind) {
    case ENET_PROTOCOL_COMMAND_SEND_UNRELIABLE:
      number = ENET_NET_TO_HOST_16(protocol->sendUnreliable.unreliableSequenceNumber);
      break;
    case ENET_PROTOCOL_COMMAND_SEND_UNRELIABLE_FRAGMENT:
      if (!enetjs_command_begins_message(command)) return;
      number = ENET_NET_TO_HOST_16(protocol->sendFragment.startSequenceNumber);
      break;
    case ENET_PROTOCOL_COMMAND_SEND_UNSEQUENCED:
      unsequenced(gaps, ENET_NET_TO_HOST_16(protocol->sendUnsequenced.unsequencedGroup), now);
      return;
    default: return;
  }
  if (number > 0) unreliable(gaps, protocol->header.channelID, reliable, number, now);
}
