/**
 * @file waiting.h
 * @brief ENet's total of what waits for a peer.
 */
#ifndef ENETJS_WAITING_H
#define ENETJS_WAITING_H

#include <enet/enet.h>

/** Sets the total right when nothing waits for the peer. */
void enetjs_recount_waiting(ENetPeer *peer);

#endif
