/**
 * @file window.h
 * @brief Sets ENet's window of a peer before each service; see window.c. Call with the host's lock held.
 */
#ifndef ENETJS_WINDOW_H
#define ENETJS_WINDOW_H

#include <enet/enet.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "enet/congestion.h"

/**
 * Reliable bytes that a near peer may have unacknowledged. They fit in the buffer that ENet gives its
 * sockets.
 */
#define ENETJS_WINDOW_NEAR (96 * 1024)

/** What a connection has under way, and how that changes during a service. All zero at its beginning. */
struct enetjs_window {
  struct enetjs_congestion congestion;
  bool counting;      /**< ENet may send: bytes under way above `before` have left since */
  bool reading;       /**< ENet reads: bytes that are missing from `before` have been acknowledged since */
  size_t before;      /**< bytes under way, without those about to time out */
  size_t due;         /**< bytes about to time out */
  enet_uint32 losses; /**< ENet's count of lost packets when `due` was counted */
};

/** Whether a bandwidth limit sets ENet's window. Then it is not changed here. */
bool enetjs_window_limited(const ENetPeer *peer);

/** @returns bytes of reliable messages that ENet is to send, or to send again */
size_t enetjs_window_count_unsent(ENetPeer *peer);

/** @returns how many more bytes ENet can be given for the window that it has now */
size_t enetjs_window_fixed_room(ENetPeer *peer);

/** Whether ENet keeps the next reliable command of a channel back until much older ones are acknowledged. */
bool enetjs_window_wraps(const ENetPeer *peer, enet_uint8 channel);

/** Gives a near peer its fixed window. */
void enetjs_window_near(ENetPeer *peer);

/** Before ENet sends: sets its window. */
void enetjs_window_open(struct enetjs_window *window, ENetPeer *peer, uint64_t now_us);
/** The same before a flush, in which nothing times out. */
void enetjs_window_open_for_flush(struct enetjs_window *window, ENetPeer *peer, uint64_t now_us);
/** After ENet has sent. */
void enetjs_window_close(struct enetjs_window *window, const ENetPeer *peer);
/** Before ENet reads, and after it has sent. */
void enetjs_window_read(struct enetjs_window *window, const ENetPeer *peer);
/** ENet has read all datagrams and is about to send again: sets its window. */
void enetjs_window_reopen(struct enetjs_window *window, ENetPeer *peer, uint64_t now_us);

/** @returns how many more bytes ENet can be given to send now. Only between services */
size_t enetjs_window_room(struct enetjs_window *window, ENetPeer *peer, uint64_t now_us);
/** @returns bytes that may be retransmitted now */
size_t enetjs_window_resend_room(struct enetjs_window *window, ENetPeer *peer, uint64_t now_us);
/** Whether nothing is under way, nor to be sent. */
bool enetjs_window_idle(ENetPeer *peer);
/** @returns milliseconds until more may leave, or -1 until something is acknowledged */
int enetjs_window_wait(const struct enetjs_window *window, const ENetPeer *peer, uint64_t now_us);

#endif
