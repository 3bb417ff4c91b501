/**
 * @file dispatch_queue.h
 * @brief Whether a peer is in the queue of those that ENet has events of. With the host's lock held.
 */
#ifndef ENETJS_DISPATCH_QUEUE_H
#define ENETJS_DISPATCH_QUEUE_H

#include <enet/enet.h>
#include <stdbool.h>

bool enetjs_in_dispatch_queue(const ENetPeer *peer);
void enetjs_leave_dispatch_queue(ENetPeer *peer);

#endif
