/**
 * @file lanes.h
 * @brief The messages that wait to be sent to a peer: a lane for each channel, served fairly; see lanes.c.
 *
 * Call with the host's lock held.
 */
#ifndef ENETJS_HOST_LANES_H
#define ENETJS_HOST_LANES_H

#include <enet/enet.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "enet/send_fragments.h"

struct enetjs_outgoing;

/** What waits on one channel, in order. */
struct enetjs_lane {
  struct enetjs_outgoing *head, *tail;
  /** of these, the ones with a token, linked by their userData */
  struct enetjs_outgoing *awaited, *last_awaited;
  size_t external;                                /**< of these, messages over memory that is JavaScript's */
  struct enetjs_fragments rest; /**< of the message before the first, which ENet has been given a part of */
  uint64_t tag;     /**< the virtual time at which it is to be served */
  uint32_t number;  /**< of the message of which there is a rest */
  uint16_t weight;  /**< its priority */
  bool waits;       /**< it is in the list of those in which something waits */
  struct enetjs_lane *next;
};

/** All zero at the beginning of a connection. */
struct enetjs_lanes {
  struct enetjs_lane *lane; /**< one for each channel; NULL before anything has waited */
  size_t count;
  struct enetjs_lane *first; /**< of those in which something waits */
  uint64_t now;              /**< virtual time */
  uint32_t numbers;          /**< that have been given to messages */
  size_t rest_bytes;         /**< of all lanes */
};

/** @returns the lane of a channel, or NULL when there is no memory */
struct enetjs_lane *enetjs_lanes_at(struct enetjs_lanes *lanes, const ENetPeer *peer, size_t channel);
/** Something waits in a lane now. */
void enetjs_lanes_wait(struct enetjs_lanes *lanes, struct enetjs_lane *lane);
/** So many bytes of a lane have been served; it is left if nothing more waits in it. */
void enetjs_lanes_served(struct enetjs_lanes *lanes, struct enetjs_lane *lane, size_t bytes);
/**
 * The lane whose turn it is.
 * @param may whether a lane may be served now
 * @returns NULL where none may
 */
struct enetjs_lane *enetjs_lanes_next(const struct enetjs_lanes *lanes,
                                      bool (*may)(void *context, struct enetjs_lane *lane), void *context);
void enetjs_lane_append(struct enetjs_lane *lane, struct enetjs_outgoing *out);
struct enetjs_outgoing *enetjs_lane_take(struct enetjs_lane *lane); /**< the first; there is one */
struct enetjs_outgoing *enetjs_lane_take_all(struct enetjs_lane *lane); /**< @returns the first, or NULL */
/**
 * Gives ENet the beginning of a message that is longer than a fragment; the lane keeps the rest.
 * @param length of a fragment
 * @returns the bytes that ENet has got, or -1 when it can't have them
 */
long long enetjs_lanes_cut(struct enetjs_lanes *lanes, struct enetjs_lane *lane, ENetPeer *peer,
                           struct enetjs_outgoing *out, size_t length, size_t room);
/** Gives ENet more of the rest. @returns its bytes */
size_t enetjs_lanes_give(struct enetjs_lanes *lanes, struct enetjs_lane *lane, ENetPeer *peer, size_t room);
/** Gives up the rest. */
void enetjs_lanes_drop_rest(struct enetjs_lanes *lanes, struct enetjs_lane *lane);
/** Once nothing waits. */
void enetjs_lanes_end(struct enetjs_lanes *lanes);

#endif
