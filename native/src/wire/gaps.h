/**
 * @file gaps.h
 * @brief How many unreliable messages of a peer are missing, by the gaps in their numbers; see gaps.c.
 *
 * Called with the host's lock held.
 */
#ifndef ENETJS_GAPS_H
#define ENETJS_GAPS_H

#include <enet/enet.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/recent.h"
#include "wire/command.h"

#define ENETJS_GAPS_CHANNELS 16

/** Of one connection. All zero at its beginning. */
struct enetjs_gaps {
  uint64_t received;
  uint64_t missing; /**< those that came too late included */
  uint64_t late;
  struct enetjs_recent recent; /**< missing ones among all */
  bool unsequenced;            /**< one has come, of the group: */
  enet_uint16 group;
  struct {
    bool known;
    enet_uint8 channel;
    enet_uint16 reliable, unreliable;
  } last[ENETJS_GAPS_CHANNELS];
};

/** A command that ENet is about to handle. @param now ENet's time */
void enetjs_gaps_note(struct enetjs_gaps *gaps, const struct enetjs_command *command, enet_uint32 now);

#endif
