/**
 * @file waiting.h
 * @brief Corrects ENet's count of the bytes of a peer that wait to be dispatched. Call with the host's lock
 * held.
 */
#ifndef ENETJS_WAITING_H
#define ENETJS_WAITING_H

#include <enet/enet.h>

/** Sets the count to 0 when nothing waits. */
void enetjs_recount_waiting(ENetPeer *peer);

#endif
