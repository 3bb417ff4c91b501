/*
 * See batch_in.h. Messages before `index` are done with; `message` is the one at `index`, and `offset` is
 * where its next datagram begins.
 */
#include "wire/batch_in.h"

#include <stdlib.h>
#include <string.h>

#include "base/udp.h"
#include "wire/addresses.h"
#include "wire/sockaddr.h"

enum {
  ROUND = 32, /* datagrams that ENet is handed in a round, at least */
  /* with many peers a datagram for each of these, because a round looks at all peers */
  PEERS_A_DATAGRAM = 16
};

struct enetjs_in {
  ENetHost *enet;
  uint64_t *errors;
  struct enetjs_udp_in *udp;
  unsigned count, index; /* of messages */
  struct enetjs_udp_fetched message;
  size_t offset;           /* of the next datagram in the message */
  unsigned handed;         /* datagrams, in this round */
  bool emptied;            /* the socket had no more when it was last read in this section */
  bool cut;                /* the round has been ended while there may be more */
  unsigned source_changes; /* datagrams from another source than the one before */
  struct enetjs_endpoint source;
};

struct enetjs_in *enetjs_in_create(ENetHost *enet, uint64_t *errors) {
  struct enetjs_in *in = calloc(1, sizeof(*in));
  if (!in) return NULL;
  in->enet = enet;
  in->errors = errors;
  in->udp = enetjs_udp_in_create(enet->socket);
  if (in->udp) return in;
  free(in);
  return NULL;
}

static void begin_message(struct enetjs_in *in, unsigned index) {
  in->index = index;
  in->offset = 0;
  if (index < in->count) in->message = enetjs_udp_in_at(in->udp, index);
}

/* @returns how many messages there are now, or -1 */
static int prefetch(struct enetjs_in *in) {
  int count;
  in->count = in->index = 0;
  count = enetjs_udp_in_fetch(in->udp, in->enet->socket, &in->emptied);
  if (count < 0) return -1;
  in->count = (unsigned)count;
  begin_message(in, 0);
  return count;
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
    const struct enetjs_udp_fetched *message = &in->message;
    const uint8_t *data = message->bytes + in->offset;
    size_t left = message->length - in->offset, length = message->segment;
    bool cut = message->cut;
    if (length > left) length = left;
    *from = enetjs_sockaddr_read(message->from);
    in->offset += length;
    if (in->offset == message->length) begin_message(in, in->index + 1);
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

void enetjs_in_destroy(struct enetjs_in *in) {
  if (!in) return;
  enetjs_udp_in_destroy(in->udp);
  free(in);
}
