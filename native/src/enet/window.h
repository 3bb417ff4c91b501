/**
 * @file window.h
 * @brief ENet's window of a peer, set before each of its services; see window.c. With the host's lock held.
 */
#ifndef ENETJS_WINDOW_H
#define ENETJS_WINDOW_H

#include <enet/enet.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "enet/congestion.h"

/** Reliable bytes that a near peer may have unacknowledged. They fit in the buffer that ENet gives its sockets. */
#define ENETJS_WINDOW_NEAR (96 * 1024)

/** What a connection has under way. All zero at its beginning. */
struct enetjs_window {
  struct enetjs_congestion congestion;
  bool counting;      /**< ENet may send: what is under way beyond `before` has left since */
  bool reading;       /**< ENet reads: what is under way less than `before` has been acknowledged since */
  size_t before;      /**< bytes under way, without what is about to time out */
  size_t due;         /**< bytes that were about to time out */
  enet_uint32 losses; /**< ENet's count of them then */
};

/** Whether a bandwidth limit has set ENet's window, which is left alone then. */
bool enetjs_window_limited(const ENetPeer *peer);

/** @returns bytes of reliable messages that ENet has not sent, or is to send again */
size_t enetjs_window_count_unsent(ENetPeer *peer);

/** @returns how many more bytes ENet can send in the window that it has, beyond what it has been given */
size_t enetjs_window_fixed_room(ENetPeer *peer);

/** Whether ENet keeps the next reliable command of a channel back until much older ones are acknowledged. */
bool enetjs_window_wraps(const ENetPeer *peer, enet_uint8 channel);

/** Gives a near peer its fixed window. */
void enetjs_window_near(ENetPeer *peer);

/** Before ENet may send: sets its window. */
void enetjs_window_open(struct enetjs_window *window, ENetPeer *peer, uint64_t now_us);
/** The same before a flush, in which nothing times out. */
void enetjs_window_open_for_flush(struct enetjs_window *window, ENetPeer *peer, uint64_t now_us);
/** After ENet may have sent. */
void enetjs_window_close(struct enetjs_window *window, const ENetPeer *peer);
/** Before ENet reads: it has sent. */
void enetjs_window_read(struct enetjs_window *window, const ENetPeer *peer);
/** ENet has read all there was, and sends again. */
void enetjs_window_reopen(struct enetjs_window *window, ENetPeer *peer, uint64_t now_us);

/** @returns how many more bytes ENet can send now, beyond what it has; only between services */
size_t enetjs_window_room(struct enetjs_window *window, ENetPeer *peer, uint64_t now_us);
/** @returns how many bytes that are under way may be sent again now */
size_t enetjs_window_resend_room(struct enetjs_window *window, ENetPeer *peer, uint64_t now_us);
/** Whether nothing is under way, nor to be sent. */
bool enetjs_window_idle(ENetPeer *peer);
/** @returns milliseconds until more may leave, or -1 until something is acknowledged */
int enetjs_window_wait(const struct enetjs_window *window, const ENetPeer *peer, uint64_t now_us);

#endif
