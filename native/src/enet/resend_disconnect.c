/*
 * Sends a DISCONNECT where ENet fails to: one unsequenced command, in a datagram that is put together here.
 * That reads no payload of ENet's queues, so it is allowed where memory of JavaScript may be gone, as at the
 * exit of the process.
 *
 * ENet fails in two cases. When both sides disconnect at once, the DISCONNECT of the other side makes ENet
 * drop our own before it has left, together with the acknowledgement of theirs. The other side would wait
 * until it times out. Where it does not wait, the DISCONNECT of this file names a connection that has ended,
 * and is ignored. And when a host is destroyed, ENet tells no peer (host/close.c).
 *
 * Called with the host's lock held.
 */
#include "enet/resend_disconnect.h"

#include "wire/datagram.h"

struct enetjs_remote enetjs_remote_of(const ENetPeer *peer) {
  struct enetjs_remote remote = {peer->outgoingPeerID, peer->connectID};
  return remote;
}

void enetjs_resend_disconnect(const ENetPeer *peer, const struct enetjs_remote *remote, enet_uint32 data) {
  enet_uint16 word =
      (enet_uint16)(remote->peer_id | peer->outgoingSessionID << ENET_PROTOCOL_HEADER_SESSION_SHIFT);
  enetjs_disconnect_room datagram;
  ENetBuffer buffer;
  buffer.data = datagram;
  buffer.dataLength = enetjs_datagram_disconnect(peer->host, datagram, word, remote->connect_id, data);
  enet_socket_send(peer->host->socket, &peer->address, &buffer, 1);
}
