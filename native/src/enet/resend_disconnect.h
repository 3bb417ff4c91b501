/**
 * @file resend_disconnect.h
 * @brief Sends a DISCONNECT where ENet fails to; see resend_disconnect.c.
 *
 * Called with the lock of the host that the peer belongs to, on any thread.
 */
#ifndef ENETJS_RESEND_DISCONNECT_H
#define ENETJS_RESEND_DISCONNECT_H

#include <enet/enet.h>

/** What the other side knows a connection by. ENet forgets it when the connection ends. */
struct enetjs_remote {
  enet_uint16 peer_id;
  enet_uint32 connect_id;
};

/** Reads it from a peer that is connected. */
struct enetjs_remote enetjs_remote_of(const ENetPeer *peer);

/**
 * Sends one unsequenced DISCONNECT, which is not acknowledged. Never blocks.
 * @param peer of which address and session are still those of the connection
 * @param data that the DISCONNECT carries
 */
void enetjs_resend_disconnect(const ENetPeer *peer, const struct enetjs_remote *remote, enet_uint32 data);

#endif
