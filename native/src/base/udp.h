/**
 * @file udp.h
 * @brief Datagrams to and from the system, many with one call where the system can.
 *
 * Linux has sendmmsg and recvmmsg. Several datagrams of one length may also be one message, which the system
 * takes apart: "segmentation" on the way out (UDP_SEGMENT on Linux, UDP_SEND_MSG_SIZE on Windows), and joins
 * on the way in (UDP_GRO, UDP_RECV_MAX_COALESCED_SIZE). Whether the system does is found out for each socket.
 * Errors are those of enetjs_socket_error (net.h). A socket belongs to one host, whose lock is held.
 */
#ifndef ENETJS_UDP_H
#define ENETJS_UDP_H

#include "base/net.h"

#if defined(_WIN32)
typedef WSABUF enetjs_part; /**< ENetBuffer has the same layout, as ENet itself takes for granted */
#else
#include <sys/uio.h>
typedef struct iovec enetjs_part; /**< ENetBuffer has the same layout, as ENet itself takes for granted */
#endif

static inline void enetjs_part_set(enetjs_part *part, uint8_t *bytes, size_t length) {
#if defined(_WIN32)
  part->buf = (CHAR *)bytes;
  part->len = (ULONG)length;
#else
  part->iov_base = bytes;
  part->iov_len = length;
#endif
}

/* ---- The way out ----------------------------------------------------------------------------- */

#define ENETJS_UDP_OUT 256 /**< messages in one call, at most */

struct enetjs_udp_message {
  union enetjs_sockaddr to;
  socklen_t to_bytes;
  enetjs_part *parts;
  unsigned count;  /**< of parts */
  size_t segment; /**< the length of its datagrams, the last of which may be shorter; 0: it is one datagram */
};

/** Whether the system takes messages of several datagrams on this socket. */
bool enetjs_udp_segments(enetjs_fd fd);

/**
 * Sends messages in order. An error is that of the first message; those behind it have not been tried.
 * @returns how many messages were sent, or -1
 */
int enetjs_udp_send(enetjs_fd fd, struct enetjs_udp_message *messages, unsigned count);

/* ---- The way in ------------------------------------------------------------------------------ */

#define ENETJS_UDP_IN 16         /**< messages that are fetched at once, at most */
#define ENETJS_UDP_IN_BYTES 65536 /**< of one message: as much as the systems join */

/** A message that has been fetched. It is valid until the next fetch. */
struct enetjs_udp_fetched {
  const union enetjs_sockaddr *from;
  const uint8_t *bytes;
  size_t length;
  size_t segment; /**< the length of its datagrams, the last of which may be shorter */
  bool cut;       /**< it was larger than ENETJS_UDP_IN_BYTES */
};

struct enetjs_udp_in;

/** Also asks for joined datagrams. @returns NULL when there is no memory */
struct enetjs_udp_in *enetjs_udp_in_create(enetjs_fd fd);
void enetjs_udp_in_destroy(struct enetjs_udp_in *in);

/**
 * Fetches messages, without waiting, in place of those that were fetched before.
 * @param emptied whether the socket had no more
 * @returns how many there are, or -1 when the socket has failed
 */
int enetjs_udp_in_fetch(struct enetjs_udp_in *in, enetjs_fd fd, bool *emptied);

struct enetjs_udp_fetched enetjs_udp_in_at(struct enetjs_udp_in *in, unsigned index);

#endif
