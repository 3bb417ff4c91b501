#include "wire/fragments.h"

enet_uint32 enetjs_fragment_part(const ENetProtocolSendFragment *fragment) {
  enet_uint32 count = ENET_NET_TO_HOST_32(fragment->fragmentCount);
  enet_uint32 total = ENET_NET_TO_HOST_32(fragment->totalLength);
  enet_uint32 number = ENET_NET_TO_HOST_32(fragment->fragmentNumber);
  enet_uint32 offset = ENET_NET_TO_HOST_32(fragment->fragmentOffset);
  enet_uint32 length = ENET_NET_TO_HOST_16(fragment->dataLength), part;
  if (count > ENET_PROTOCOL_MAXIMUM_FRAGMENT_COUNT || number >= count || length > total ||
      offset > total - length)
    return 0;
  if (number < count - 1)
    part = length;
  else if (offset + length == total)
    part = count == 1 ? total : offset / (count - 1);
  else
    return 0;
  /* The last fragment has at least one byte, and is no longer than the others. */
  if (part == 0 || (uint64_t)part * number != offset || (uint64_t)part * (count - 1) >= total ||
      total - part * (count - 1) > part)
    return 0;
  return part;
}

bool enetjs_fragment_continues(const ENetProtocolSendFragment *fragment, const ENetIncomingCommand *start) {
  return start->fragmentCount > 0 &&
         enetjs_fragment_part(fragment) == enetjs_fragment_part(&start->command.sendFragment);
}

bool enetjs_fragment_begins(struct enetjs_fragments_begun *begun, const ENetProtocolSendFragment *fragment,
                            enet_uint16 reliable, enet_uint16 unreliable) {
  enet_uint8 channel = fragment->header.channelID;
  enet_uint32 part = enetjs_fragment_part(fragment);
  unsigned i = 0;
  for (; i < begun->count; i++)
    if (begun->messages[i].channel == channel && begun->messages[i].reliable == reliable &&
        begun->messages[i].unreliable == unreliable)
      return begun->messages[i].part == part;
  if (i == ENETJS_FRAGMENTS_BEGUN) return false;
  begun->messages[i].channel = channel;
  begun->messages[i].reliable = reliable;
  begun->messages[i].unreliable = unreliable;
  begun->messages[i].part = part;
  begun->count++;
  return true;
}
