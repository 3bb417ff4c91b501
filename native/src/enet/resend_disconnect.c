/*
 * The disconnects that ENet fails to send: one unsequenced DISCONNECT in a datagram of its own, put together by
 * hand. Sending one reads no payload of ENet's queues, so it is allowed where memory of JavaScript may be gone, as
 * at the exit of the process.
 *
 * When both sides disconnect at once, the other side's DISCONNECT makes ENet drop our own before it
 * has left, and the acknowledgement of theirs with it. They would then wait until they time out. So it is sent
 * once more. Where theirs has been settled already, the notice names a peer that is gone, or another
 * session, and is ignored.
 *
 * When a host is destroyed, ENet tells nobody. So its peers are told this way (host/close.c).
 */
#include "enet/resend_disconnect.h"

#include "wire/datagram.h"

struct enetjs_remote enetjs_remote_of(const ENetPeer *peer) {
  struct enetjs_remote remote = {peer->outgoingPeerID, peer->connectID};
  return remote;
}

void enetjs_resend_disconnect(const ENetPeer *peer, const struct enetjs_remote *remote, enet_uint32 data) {
  enet_uint16 word = (enet_uint16)(remote->peer_id | peer->outgoingSessionID << ENET_PROTOCOL_HEADER_SESSION_SHIFT);
  enetjs_disconnect_room datagram;
  ENetBuffer buffer;
  buffer.data = datagram;
  buffer.dataLength = enetjs_datagram_disconnect(peer->host, datagram, word, remote->connect_id, data);
  enet_socket_send(peer->host->socket, &peer->address, &buffer, 1);
}
