/**
 * @file unsent.h
 * @brief Where ENet keeps commands that it has not sent, and those that it is to send again.
 *
 * ENet 1.3.18 has a list of its own for reliable messages; earlier versions have one list for everything.
 * With the lock of the host that the peer belongs to held.
 */
#ifndef ENETJS_UNSENT_H
#define ENETJS_UNSENT_H

#include <enet/enet.h>
#include <stdbool.h>
#include <stdint.h>

/** Whether reliable messages have a list of their own. */
#define ENETJS_HAS_MESSAGE_LIST (ENET_VERSION >= ENET_VERSION_CREATE(1, 3, 18))

/** @returns the list that has the reliable messages; in earlier versions, `outgoingCommands` */
static inline ENetList *enetjs_unsent_messages(ENetPeer *peer) {
#if ENETJS_HAS_MESSAGE_LIST
  return &peer->outgoingSendReliableCommands;
#else
  return &peer->outgoingCommands;
#endif
}

static inline bool enetjs_unsent_none(const ENetPeer *peer) {
  ENetPeer *p = (ENetPeer *)(uintptr_t)peer; /* ENet's macros know no const */
  return enet_list_empty(&p->outgoingCommands) && enet_list_empty(enetjs_unsent_messages(p));
}

#endif
