/*
 * See batch_in.h. Messages before `index` are done with; `offset` is where the next datagram begins in the
 * message at `index`.
 */
#if defined(__linux__)

#include "wire/batch_in.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "wire/addresses.h"
#include "wire/sockaddr.h"
#include "wire/udp_options.h"
#include "wire/unreachable.h"

enum {
  ROUND = 32,            /* datagrams that ENet is handed in a round, at least */
  /* with many peers a datagram for each of these, because a round looks at all peers */
  PEERS_A_DATAGRAM = 16,
  IN_MESSAGES = 16,
  IN_BYTES = 65536 /* of one message: as much as the system joins */
};

union joined_control {
  char bytes[CMSG_SPACE(sizeof(int))];
  struct cmsghdr header;
};

struct enetjs_in {
  ENetHost *enet;
  uint64_t *errors;
  unsigned count, index;   /* of messages */
  size_t offset;           /* of the next datagram in the message */
  unsigned handed;         /* datagrams, in this round */
  bool emptied;            /* the socket had no more when it was last read in this section */
  bool cut;                /* the round has been ended while there may be more */
  unsigned source_changes; /* datagrams from another source than the one before */
  struct enetjs_endpoint source;
  struct mmsghdr message[IN_MESSAGES];
  struct iovec vector[IN_MESSAGES];
  union enetjs_sockaddr from[IN_MESSAGES];
  union joined_control control[IN_MESSAGES];
  uint8_t bytes[IN_MESSAGES][IN_BYTES];
};

/* Before each use, for the system writes to the lengths. */
static void make_ready(struct enetjs_in *in, unsigned index) {
  in->message[index].msg_hdr.msg_namelen = sizeof(in->from[index]);
  in->message[index].msg_hdr.msg_controllen = sizeof(in->control[index]);
}

struct enetjs_in *enetjs_in_create(ENetHost *enet, uint64_t *errors) {
  static const int on = 1;
  struct enetjs_in *in = malloc(sizeof(*in));
  if (!in) return NULL;
  in->enet = enet;
  in->errors = errors;
  in->count = in->index = in->handed = 0;
  in->offset = 0;
  in->emptied = in->cut = false;
  in->source_changes = 0;
  memset(&in->source, 0, sizeof(in->source));
  memset(in->message, 0, sizeof(in->message));
  for (unsigned i = 0; i < IN_MESSAGES; i++) {
    struct msghdr *header = &in->message[i].msg_hdr;
    in->vector[i].iov_base = in->bytes[i];
    in->vector[i].iov_len = IN_BYTES;
    header->msg_iov = &in->vector[i];
    header->msg_iovlen = 1;
    header->msg_name = &in->from[i];
    header->msg_control = &in->control[i];
    make_ready(in, i);
  }
  /* A system without it refuses, and then each message is one datagram. */
  (void)setsockopt(enet->socket, SOL_UDP, UDP_GRO, &on, sizeof(on));
  return in;
}

/* @returns how many messages there are now, or -1 */
static int prefetch(struct enetjs_in *in) {
  int count;
  for (unsigned i = 0; i < in->count; i++) make_ready(in, i);
  in->count = in->index = 0;
  in->offset = 0;
  count = recvmmsg(in->enet->socket, in->message, IN_MESSAGES, MSG_DONTWAIT, NULL);
  if (count < 0) return errno == EAGAIN || enetjs_unreachable_error(errno) ? 0 : -1;
  in->emptied = count < IN_MESSAGES;
  in->count = (unsigned)count;
  return count;
}

/* The length of the datagrams that a message consists of, the last of which may be shorter. */
static size_t segment_of(struct mmsghdr *message) {
  struct cmsghdr *part = CMSG_FIRSTHDR(&message->msg_hdr);
  for (; part; part = CMSG_NXTHDR(&message->msg_hdr, part))
    if (part->cmsg_level == SOL_UDP && part->cmsg_type == UDP_GRO) {
      int size;
      memcpy(&size, CMSG_DATA(part), sizeof(size));
      if (size > 0) return (size_t)size;
    }
  return message->msg_len;
}

static void note_source(struct enetjs_in *in, const struct enetjs_endpoint *from) {
  in->source_changes += !enetjs_endpoint_same(from, &in->source);
  in->source = *from;
}

/* From 240.0.0.0/4, which no host has: they would look like numbers of the address map. */
static bool is_from_nowhere(const struct enetjs_endpoint *from) {
  return enetjs_endpoint_is_ipv4(from) && enetjs_endpoint_ipv4(from) >= ENETJS_STRANGER;
}

/*
 * Takes the next prefetched datagram that ENet can read. An empty one would tell ENet that there is none, and
 * one that is larger than ENet's buffer is not ENet's.
 * @returns its length, or 0
 */
static size_t take(struct enetjs_in *in, struct enetjs_endpoint *from, ENetBuffer *buffer) {
  while (in->index < in->count) {
    struct mmsghdr *message = &in->message[in->index];
    const union enetjs_sockaddr *source = &in->from[in->index];
    const uint8_t *data = in->bytes[in->index] + in->offset;
    size_t left = message->msg_len - in->offset, length = segment_of(message);
    bool cut = (message->msg_hdr.msg_flags & MSG_TRUNC) != 0;
    if (length > left) length = left;
    in->offset += length;
    if (in->offset == message->msg_len) {
      in->index++;
      in->offset = 0;
    }
    *from = enetjs_sockaddr_read(source);
    if (length > buffer->dataLength || cut || is_from_nowhere(from)) {
      ++*in->errors;
      continue;
    }
    if (length == 0) continue;
    memcpy(buffer->data, data, length);
    note_source(in, from);
    return length;
  }
  return 0;
}

/*
 * ENet asks until it is told that there is no datagram. When the last call of the system returned less than
 * there was room for, that answer is given without another call; poll() sees what has come since. It is also
 * given when all datagrams of a call were useless, so that a flood of them does not delay what ENet has to
 * send.
 */
static int next_datagram(struct enetjs_in *in, struct enetjs_endpoint *from, ENetBuffer *buffer) {
  size_t length = take(in, from, buffer);
  if (length > 0) return (int)length;
  if (in->emptied) {
    in->emptied = false;
    return 0;
  }
  if (prefetch(in) < 0) return -1;
  return (int)take(in, from, buffer);
}

int enetjs_in_next(struct enetjs_in *in, struct enetjs_endpoint *from, ENetBuffer *buffer) {
  size_t scaled = in->enet->peerCount / PEERS_A_DATAGRAM;
  int length;
  in->cut = in->handed >= (scaled > ROUND ? scaled : ROUND);
  length = in->cut ? 0 : next_datagram(in, from, buffer);
  in->handed = length > 0 ? in->handed + 1 : 0;
  return length;
}

/* ---- For the batch --------------------------------------------------------------------------- */

void enetjs_in_begin(struct enetjs_in *in) {
  if (!in) return;
  in->handed = 0;
  in->emptied = in->cut = false;
}

bool enetjs_in_prefetched(const struct enetjs_in *in) { return in && in->index < in->count; }

bool enetjs_in_goes_on(const struct enetjs_in *in) { return enetjs_in_prefetched(in) && in->handed > 0; }

bool enetjs_in_unread(const struct enetjs_in *in) { return in && in->cut; }

unsigned enetjs_in_take_source_changes(struct enetjs_in *in) {
  unsigned changes = in ? in->source_changes : 0;
  if (in) in->source_changes = 0;
  return changes;
}

void enetjs_in_destroy(struct enetjs_in *in) { free(in); }

#else

typedef int enetjs_no_batch_in; /* a file of C is not empty */

#endif
