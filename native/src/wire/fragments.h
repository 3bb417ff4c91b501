/**
 * @file fragments.h
 * @brief Whether a fragment fits the other fragments of its message.
 *
 * All fragments of a message but the last have one length. ENet does not check that: it would hand out a
 * message with holes, which show what was in that memory before.
 *
 * Functions that change nothing but their own state.
 */
#ifndef ENETJS_FRAGMENTS_H
#define ENETJS_FRAGMENTS_H

#include <enet/enet.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * @returns the length of all fragments of the message but the last one, or 0 when the fragment can be of no
 * message
 */
enet_uint32 enetjs_fragment_part(const ENetProtocolSendFragment *fragment);

/** Whether a fragment is of the message that ENet has a part of. @param start what ENet has */
bool enetjs_fragment_continues(const ENetProtocolSendFragment *fragment, const ENetIncomingCommand *start);

enum { ENETJS_FRAGMENTS_BEGUN = 8 };

/** Messages whose first fragment is in a datagram. All zero at its beginning. */
struct enetjs_fragments_begun {
  unsigned count;
  struct {
    enet_uint8 channel;
    enet_uint16 reliable, unreliable;
    enet_uint32 part;
  } messages[ENETJS_FRAGMENTS_BEGUN];
};

/**
 * Notes a fragment of a message that ENet has nothing of yet.
 * @returns false when it does not fit a fragment before it in the datagram, or too many messages begin there
 */
bool enetjs_fragment_begins(struct enetjs_fragments_begun *begun, const ENetProtocolSendFragment *fragment,
                            enet_uint16 reliable, enet_uint16 unreliable);

#endif
