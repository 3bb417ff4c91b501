/**
 * @file send_fragments.h
 * @brief Gives ENet the fragments of a long reliable message a few at a time; see send_fragments.c.
 *
 * Call with the host's lock held.
 */
#ifndef ENETJS_SEND_FRAGMENTS_H
#define ENETJS_SEND_FRAGMENTS_H

#include <enet/enet.h>
#include <stdbool.h>
#include <stddef.h>

/** The fragments of one message that ENet has not been given yet. All zero: there is no message. */
struct enetjs_fragments {
  ENetPacket *packet; /**< NULL once ENet has all of it */
  enet_uint32 number; /**< index of the next fragment */
  enet_uint32 count;  /**< fragments of the message */
  enet_uint16 start;  /**< sequence number of the first one */
  enet_uint16 length; /**< bytes of each but the last */
  enet_uint8 channel;
};

/**
 * @returns the bytes of a message that ENet puts into one command. @param reserve bytes of each datagram to
 * keep free
 */
size_t enetjs_fragment_length(const ENetPeer *peer, size_t reserve);

/**
 * Begins a message that is longer than `length`, the bytes of a fragment. Nothing else may be sent on the
 * channel until ENet has all fragments. @returns false when ENet can't send so many
 */
bool enetjs_fragments_begin(struct enetjs_fragments *fragments, const ENetPeer *peer, enet_uint8 channel,
                            ENetPacket *packet, size_t length);

/** Gives ENet fragments, until they have `room` bytes or memory is out. @returns their bytes */
size_t enetjs_fragments_give(struct enetjs_fragments *fragments, ENetPeer *peer, size_t room);

/** @returns bytes of the message that ENet has not been given */
size_t enetjs_fragments_left(const struct enetjs_fragments *fragments);

/** Drops the fragments that ENet has not been given. Frees the message when ENet has none of it. */
void enetjs_fragments_drop(struct enetjs_fragments *fragments);

#endif
