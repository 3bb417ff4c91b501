/*
 * ENet's dispatch queue: the peers of which ENet has events to report.
 *
 * ENet's own flag does not tell whether a peer is in the queue. enet_peer_reset clears the flag before it
 * reads it (peer.c of ENet), so a peer that is reset while it is in the queue stays there. That happens when
 * a peer times out behind a message of the same round. A connection that then begins in its place would enter
 * the queue a second time. So a peer is taken out of the queue here whenever its connection ends.
 *
 * Invariant: outside the queue, the link of a peer is NULL, or names a neighbour that does not name the peer.
 * Called with the host's lock held.
 */
#include "enet/dispatch_queue.h"

bool enetjs_in_dispatch_queue(const ENetPeer *peer) {
  const ENetListNode *node = &peer->dispatchList;
  return node->next && node->next->previous == node;
}

void enetjs_leave_dispatch_queue(ENetPeer *peer) {
  if (enetjs_in_dispatch_queue(peer)) enet_list_remove(&peer->dispatchList);
  peer->flags &= (enet_uint16)~ENET_PEER_FLAG_NEEDS_DISPATCH;
  peer->dispatchList.next = NULL; /* see came_through_queue in host/service.c */
}
