/**
 * @file socket.h
 * @brief What ENet sends and receives goes to the system many datagrams at a time.
 *
 * A batch belongs to one ENetHost. Called with the lock of the host that it belongs to. Where there is no
 * memory for a batch, NULL stands in for it everywhere, and nothing is batched.
 */
#ifndef ENETJS_SOCKET_H
#define ENETJS_SOCKET_H

#include <enet/enet.h>
#include <stdbool.h>
#include <stdint.h>

#include "wire/endpoint.h"

struct enetjs_addresses;
struct enetjs_batch;
struct enetjs_capture;
struct enetjs_conditions;
struct enetjs_guard;
struct enetjs_security;

/** What a batch works with; all of it lives longer than the batch. */
struct enetjs_batch_parts {
  ENetHost *enet;
  struct enetjs_addresses *addresses; /**< or NULL: the socket is one of IPv4 */
  struct enetjs_guard *guard;         /**< or NULL */
  uint64_t *errors;           /**< counts datagrams that the system refused, and those that are no use */
  /**
   * Is told of each datagram that ENet sends, within enet_socket_send: ENet may have more for the same peer.
   * `to` is the pointer that ENet has given, `length` what enet_socket_send is about to return.
   */
  void (*on_sent)(void *owner, const ENetAddress *to, int length);
  /**
   * Is called before ENet reads each datagram, and with `done` when it is about to be told that there is
   * none.
   */
  void (*on_read)(void *owner, bool done);
  void *owner;
};

/** @returns NULL where there is none */
struct enetjs_batch *enetjs_batch_create(const struct enetjs_batch_parts *parts);
void enetjs_batch_destroy(struct enetjs_batch *batch);

/** Puts the security stage in the way of all datagrams. The batch does not own it. */
void enetjs_batch_set_security(struct enetjs_batch *batch, struct enetjs_security *security);

/** Has a capture get all datagrams until it ends, as it does with the batch. @returns false: there are 4 */
bool enetjs_batch_add_capture(struct enetjs_batch *batch, struct enetjs_capture *capture);
/** Ends a capture. @returns false when this batch has no such capture */
bool enetjs_batch_end_capture(struct enetjs_batch *batch, struct enetjs_capture *capture);

/** Sends a datagram of the security stage, in a section. */
void enetjs_batch_put(struct enetjs_batch *batch, const struct enetjs_endpoint *to, const uint8_t *bytes,
                      size_t length);

/**
 * Puts a simulated network in the way of all datagrams. The batch owns it, and destroys it once it has ended.
 */
void enetjs_batch_set_conditions(struct enetjs_batch *batch, struct enetjs_conditions *conditions);
/** @returns NULL where there is none */
struct enetjs_conditions *enetjs_batch_conditions(const struct enetjs_batch *batch);
/** @returns milliseconds until a datagram that it holds is due, or -1 */
int enetjs_batch_wait(const struct enetjs_batch *batch);

/**
 * Enclose every call in which ENet may send or receive: a section. What ENet sends in a section leaves at its
 * end at the latest. ENet's totals are right only after that. Sections may be nested.
 */
void enetjs_batch_begin(struct enetjs_batch *batch);
void enetjs_batch_end(struct enetjs_batch *batch);

/**
 * Sends a datagram beside ENet, at once unless a simulated network has it wait. Outside of sections.
 * @returns bytes, 0 when the socket's buffer is full, or -1
 */
int enetjs_batch_send(struct enetjs_batch *batch, const struct enetjs_endpoint *to, const ENetBuffer *buffer);

/**
 * Whether ENet's calls arrive here, as they always do where it is built in. Only once ENet is initialized.
 * @returns 1, 0, or an error code: unknown
 */
int enetjs_batch_arrives(void);

/**
 * Whether datagrams were taken from the socket that ENet has not read. A simulated network's do not count.
 */
bool enetjs_batch_prefetched(const struct enetjs_batch *batch);

/** ENet reads no more in this section. */
void enetjs_batch_stop(struct enetjs_batch *batch);

/** Whether ENet was told that there is no datagram, to end its round, although there may be more. */
bool enetjs_batch_unread(const struct enetjs_batch *batch);

/** How often a datagram came from another source than the one before, since the last call. */
unsigned enetjs_batch_take_source_changes(struct enetjs_batch *batch);

#endif
