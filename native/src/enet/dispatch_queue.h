/**
 * @file dispatch_queue.h
 * @brief ENet's dispatch queue: the peers of which ENet has events to report. Call with the host's lock held.
 */
#ifndef ENETJS_DISPATCH_QUEUE_H
#define ENETJS_DISPATCH_QUEUE_H

#include <enet/enet.h>
#include <stdbool.h>

bool enetjs_in_dispatch_queue(const ENetPeer *peer);
void enetjs_leave_dispatch_queue(ENetPeer *peer);

#endif
