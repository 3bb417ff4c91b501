/**
 * @file resend_disconnect.h
 * @brief The disconnect that ENet fails to send.
 *
 * Called with the lock of the host that the peer belongs to, on any thread.
 */
#ifndef ENETJS_RESEND_DISCONNECT_H
#define ENETJS_RESEND_DISCONNECT_H

#include <enet/enet.h>

/** How the other side knows a connection, which ENet forgets when it ends. */
struct enetjs_remote {
  enet_uint16 peer_id;
  enet_uint32 connect_id;
};

/** Of a peer that is connected. */
struct enetjs_remote enetjs_remote_of(const ENetPeer *peer);

/**
 * Sends one unsequenced DISCONNECT, which nobody acknowledges. It never blocks.
 * @param peer whose address and session still are those of the connection
 * @param data what the other side is told
 */
void enetjs_resend_disconnect(const ENetPeer *peer, const struct enetjs_remote *remote, enet_uint32 data);

#endif
