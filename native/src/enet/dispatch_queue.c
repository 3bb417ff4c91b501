/*
 * Whether a peer is in the queue of those that ENet has events of.
 *
 * ENet's own flag does not tell. enet_peer_reset clears it before it looks at it (peer.c), so a peer
 * that is reset while it is in the queue stays there, for instance when it times out behind a message
 * that came in the same round. A peer that then connects in its place enters the queue a second time.
 * So a peer is taken from the queue here whenever its connection ends.
 *
 * Outside the queue, a peer's link is NULL or what it was when it left; its neighbour then names
 * another peer. Called with the host's lock held.
 */
#include "enet/dispatch_queue.h"

bool enetjs_in_dispatch_queue(const ENetPeer *peer) {
  const ENetListNode *node = &peer->dispatchList;
  return node->next && node->next->previous == node;
}

void enetjs_leave_dispatch_queue(ENetPeer *peer) {
  if (enetjs_in_dispatch_queue(peer)) enet_list_remove(&peer->dispatchList);
  peer->flags &= (enet_uint16)~ENET_PEER_FLAG_NEEDS_DISPATCH;
  peer->dispatchList.next = NULL; /* see came_through_queue in host.c */
}
